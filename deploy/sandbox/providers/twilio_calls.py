"""Twilio's Calls resource: the form it takes, the JSON it answers, and the calls themselves.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.modes import Mode
from deploy.sandbox.outbox import Outbox, OutboxDraft
from deploy.sandbox.outgoing import OutgoingCalls
from deploy.sandbox.providers.provider import Accepted, provider_mode, seen_at, told_ids
from deploy.sandbox.providers.receipts import sign_form
from deploy.sandbox.providers.twilio import TwilioApi, check_number, refuse
from deploy.sandbox.request_body import Refusal, read_body, text

_LONGEST_TWIML: Final = 4000
_USUAL: Final = {"Timeout": "60", "TimeLimit": "14400", "MachineDetection": ""}

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


class TwilioCalls(TwilioApi):
    """Calls: each is answered as ``answers`` says, or by the buttons of the inbox page."""

    channel = "voice"
    provider_name = "twilio_calls"
    host = addresses.TWILIO_CALLS
    resource = "Calls"

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.answers = Mode("rings")
        self.phone_calls: dict[str, PhoneCall] = {}
        self._calls = OutgoingCalls("a call")

    async def reset(self) -> None:
        """End the calls, and let them ring again."""
        self.answers = Mode("rings")
        await self._calls.stop()
        self.phone_calls.clear()
        await super().reset()

    async def set_answers(self, request: web.Request) -> web.Response:
        """Set who or what answers from now on."""
        self.answers = provider_mode(await read_body(request), CALL_ANSWERS)
        return web.json_response({"channel": self.channel, **self.answers.to_json()})

    async def press(self, request: web.Request) -> web.Response:
        """Let a called person do what the body's ``action`` says."""
        sid, action = request.match_info["sid"], text(await read_body(request), "action") or ""
        if sid not in self.phone_calls:
            raise Refusal(f"no call {sid!r}", status=404)
        self.phone_calls[sid].act(action)
        return web.json_response({"done": action})

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:
        """Let the phone ring."""
        (draft,) = accepted.drafts
        sid, token, mode = accepted.provider_id, self.read_key(request), self.answers
        about = {
            "AccountSid": request.match_info["account"],
            "CallSid": sid,
            "To": draft.to,
            "From": draft.sender,
        }
        about |= {"Direction": "outbound-api", "ApiVersion": "2010-04-01"}

        show = partial(self._note, token=token, about=about)
        seconds = 0.0 if mode.name == "nobody" else float(draft.custom["Timeout"])
        made = self.phone_calls[sid] = PhoneCall(sid, seconds, read_texts(draft.custom["Twiml"]), show)
        if action := FIRST_ACTIONS.get(mode.name):
            made.actions.put_nowait(action)
        self._calls.run(made.run())

    def _note(self, made: PhoneCall, *, token: str, about: dict[str, str]) -> None:
        """Show a call in the inbox as it is now; report its end."""
        message = self.find_sent(made.sid)
        if message is None:
            return
        said = "\n".join(made.texts) if made.answered_by else ""
        custom = message.custom | {"CallStatus": made.status}
        self.outbox.change(message, replace(message.draft, text=said, custom=custom))
        if made.status in ENDED:
            url = message.custom["StatusCallback"].partition("#")[0]
            form = about | {"CallStatus": made.status, "CallDuration": "0", "AnsweredBy": made.answered_by}
            self.receipts.send(url, urlencode(form).encode, lambda _: sign_form(token, url, form))

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a call into its one draft."""
        form, sid = _USUAL | await self.read_form(request), f"CA{secrets.token_hex(16)}"
        _check(form)
        kept = {key: form[key] for key in ("Twiml", "StatusCallback", *_USUAL)}
        draft = OutboxDraft(
            to=form["To"],
            text="",
            sender=form["From"],
            seen_at=seen_at(request.headers.get("X-Seen-At")),
            custom=told_ids(request) | kept | {"CallStatus": "ringing"},
        )
        made = self.build(request.match_info["account"], sid, form)
        return Accepted([draft], sid, web.json_response(made, status=201))

    def build(self, account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
        """Return a call as it is queued."""
        nothing = dict.fromkeys(("answered_by", "duration", "end_time", "start_time"))
        return self.describe(account, sid, form) | nothing


def _check(form: dict[str, str]) -> None:
    check_number(form.get("To", ""), 21211, "To")
    check_number(form.get("From", ""), 21212, "From")
    if not form.get("StatusCallback", "").startswith(("http://", "https://")):
        raise refuse(21205, "StatusCallback is not a valid URL")
    try:
        texts = read_texts(form.get("Twiml", ""))
    except ET.ParseError:
        texts = []
    if not texts or len(form["Twiml"]) > _LONGEST_TWIML:
        raise refuse(21218, "Twiml is no document, or too long")
