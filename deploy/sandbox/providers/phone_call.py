"""One call of Twilio's stand-in: it rings, a person or a machine answers, hears the texts, and presses keys.

https://www.twilio.com/docs/voice/twiml
https://www.twilio.com/docs/voice/api/call-resource#call-status-values
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from deploy.sandbox.control_error import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from deploy.sandbox.modes import Mode, Table

# The way in which calls are answered. rings leaves it to the inbox page. person presses ``keys`` one after the other,
# each once a text was heard; early presses them before, when nothing waits for a key. hangs_up hears the first words.
CALL_ANSWERS: Final[Table] = {
    "rings": {},
    "person": {"keys": ""},
    "early": {"keys": "1"},
    "hangs_up": {},
    "machine": {},
    "busy": {},
    "nobody": {},
    "failed": {},
}
ACTIONS: Final = ("answer", "machine", "busy", "hang_up")
_KEYS: Final = "0123456789*#"
ENDED: Final = frozenset({"completed", "busy", "no-answer", "failed"})
_MOST_DOCUMENTS: Final = 20  # of one call


@dataclass(frozen=True)
class Script:
    """What a document of TwiML says, and where the key goes that it waits for."""

    texts: tuple[str, ...]
    action: str = ""  # empty where it waits for no key
    seconds: float = 0

    @classmethod
    def parse(cls, document: str) -> Script:
        """Read a document; a Refusal where it is none."""
        try:
            root = ET.fromstring(document)  # noqa: S314 - our own product's answer
        except ET.ParseError as error:
            raise Refusal(f"not TwiML: {error}") from None
        gather = root.find("Gather")
        said = gather if gather is not None else root
        texts = tuple(each.text or "" for each in said.iter("Say"))
        if gather is None:
            return cls(texts)
        return cls(texts, gather.get("action", ""), float(gather.get("timeout", "5")))


@dataclass
class PhoneCall:
    """A call under way. ``ask`` gets what to say from the product; ``show`` is called after each change."""

    sid: str
    ring_seconds: float
    ask: Callable[[str, dict[str, str]], Awaitable[str]]
    show: Callable[[PhoneCall], None]
    url: str
    status: str = "ringing"
    said: list[str] = field(default_factory=list)
    actions: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def act(self, action: str) -> None:
        """Let the called person do something: an action, or a key."""
        if action not in ACTIONS and (len(action) != 1 or action not in _KEYS):
            raise Refusal(f"no action {action!r}", known=[*ACTIONS, *_KEYS])
        if self.status in ENDED:
            raise Refusal("this call is over", status=409)
        self.actions.put_nowait(action)

    async def run(self) -> None:
        """Ring until the call is answered or its time is up, then talk until one side hangs up."""
        action = await self._wait(self.ring_seconds)
        if action in {None, "hang_up"}:
            self._end("no-answer" if action is None else "busy")
        elif action in {"busy", "failed"}:
            self._end(action or "")
        elif action == "machine":
            await self._talk("machine_start")
        else:
            await self._talk("human")

    async def _talk(self, answered_by: str) -> None:
        self.status = "in-progress"
        self.show(self)
        script: Script | None = await self._fetch(self.url, {"AnsweredBy": answered_by})
        for _ in range(_MOST_DOCUMENTS):
            if script is None or not script.action:
                break
            key = await self._wait(script.seconds)
            if key is None or key in ACTIONS:
                break
            self.said.append(f"[{key}]")
            script = await self._fetch(script.action, {"Digits": key})
        self._end("completed")

    async def _fetch(self, url: str, form: dict[str, str]) -> Script | None:
        document = await self.ask(url, {"CallStatus": self.status} | form)
        if not document:
            return None
        script = Script.parse(document)
        self.said += script.texts
        self.show(self)
        return script

    async def _wait(self, seconds: float) -> str | None:
        try:
            async with asyncio.timeout(seconds):
                return await self.actions.get()
        except TimeoutError:
            return None

    def _end(self, status: str) -> None:
        self.status = status
        self.show(self)


def list_actions(mode: Mode) -> Iterator[str]:
    """Yield what the called person does by a mode of CALL_ANSWERS."""
    if mode.name in {"person", "early", "hangs_up"}:
        yield "answer"
    if mode.name == "person":
        yield from mode.word("keys")
    if mode.name in {"person", "early", "hangs_up"}:
        yield "hang_up"
    if mode.name in {"machine", "busy", "failed"}:
        yield mode.name
