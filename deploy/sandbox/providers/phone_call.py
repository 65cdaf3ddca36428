"""One call of Twilio's stand-in: it rings; a person or a machine hears its texts, or it ends unanswered.

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
    from collections.abc import Callable

    from deploy.sandbox.modes import Table

# The way in which calls are answered. rings leaves it to the inbox page.
CALL_ANSWERS: Final[Table] = {
    "rings": {},
    "person": {},
    "machine": {},
    "busy": {},
    "nobody": {},
    "failed": {},
}
ACTIONS: Final = ("answer", "machine", "busy")
FIRST_ACTIONS: Final = {
    "person": "answer",
    "machine": "machine",
    "busy": "busy",
    "failed": "failed",
}  # by mode
ENDED: Final = frozenset({"completed", "busy", "no-answer", "failed"})


def read_texts(document: str) -> list[str]:
    """Return what a document of TwiML says.

    Raises:
        xml.etree.ElementTree.ParseError: it is none.
    """
    root = ET.fromstring(document)  # noqa: S314 - our own product's
    return [each.text or "" for each in root.iter("Say") for _ in range(int(each.get("loop", "1")))]


@dataclass
class PhoneCall:
    """A call under way; ``show`` is called after each change."""

    sid: str
    ring_seconds: float
    texts: list[str]
    show: Callable[[PhoneCall], None]
    status: str = "ringing"
    answered_by: str = ""
    actions: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def act(self, action: str) -> None:
        """Let the called person do something."""
        if action not in ACTIONS:
            raise Refusal(f"no action {action!r}", known=ACTIONS)
        if self.status in ENDED:
            raise Refusal("this call is over", status=409)
        self.actions.put_nowait(action)

    async def run(self) -> None:
        """Ring until the call is answered or its time is up."""
        action = await self._wait()
        if action in {"answer", "machine"}:
            self.answered_by = "human" if action == "answer" else "machine_start"
            action = "completed"
        self.status = action or "no-answer"
        self.show(self)

    async def _wait(self) -> str | None:
        try:
            async with asyncio.timeout(self.ring_seconds):
                return await self.actions.get()
        except TimeoutError:
            return None
