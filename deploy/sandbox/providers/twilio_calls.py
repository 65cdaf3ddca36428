"""Twilio's Calls: the forms they take, and the calls themselves.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal
from xml.etree import ElementTree as ET

from deploy.sandbox import addresses
from deploy.sandbox.modes import ModeBody
from deploy.sandbox.outbox import Outbox, OutboxDraft
from deploy.sandbox.providers.provider import Accepted, read_told
from deploy.sandbox.providers.receipts import OutgoingCalls
from deploy.sandbox.providers.twilio import TwilioApi, check_number, read_login, refuse
from deploy.sandbox.request_body import Body, Refusal, read_body

if TYPE_CHECKING:
    from aiohttp import web

_LONGEST_TWIML: Final = 4000
_USUAL: Final = {"Timeout": "60", "TimeLimit": "14400", "MachineDetection": ""}
# The way in which calls are answered, and what the called person does at once. rings leaves it to the inbox page.
CALL_ANSWERS: Final = {
    "rings": "",
    "person": "answer",
    "machine": "machine",
    "busy": "busy",
    "nobody": "",
    "failed": "failed",
}


class _Press(Body):
    action: Literal["answer", "machine", "busy"]


def read_texts(document: str) -> list[str]:
    """Return what a document of TwiML says.

    Raises:
        xml.etree.ElementTree.ParseError: it is none.
    """
    root = ET.fromstring(document)  # noqa: S314 - our own product's
    return [each.text or "" for each in root.iter("Say") for _ in range(int(each.get("loop", "1")))]


class TwilioCalls(TwilioApi):
    """Calls: each is answered as ``answers`` says, or by the buttons of the inbox page."""

    channel = "voice"
    provider_name = "twilio_calls"
    host = addresses.TWILIO_CALLS
    resource, prefix = "Calls", "CA"

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.answers = "rings"
        self._ringing: dict[str, asyncio.Future[str]] = {}  # by call: what the called person does
        self._calls = OutgoingCalls("a call")

    async def reset(self) -> None:
        """End the calls, and let them ring again."""
        self.answers = "rings"
        await self._calls.stop()
        self._ringing.clear()
        await super().reset()

    async def set_answers(self, request: web.Request) -> dict[str, object]:
        """Set who or what answers from now on."""
        mode = (await read_body(request, ModeBody)).mode
        if mode not in CALL_ANSWERS:
            raise Refusal(f"unknown mode {mode!r}", known=CALL_ANSWERS)
        self.answers = mode
        return {"channel": self.channel, "mode": mode}

    async def press(self, request: web.Request) -> dict[str, object]:
        """Let a called person do what the body's ``action`` says."""
        sid, action = request.match_info["sid"], (await read_body(request, _Press)).action
        if sid not in self._ringing or self._ringing[sid].done():
            raise Refusal(f"no call {sid!r} rings", status=404)
        self._ringing[sid].set_result(action)
        return {"done": action}

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:
        """Let the phone ring."""
        self._calls.run(self._ring(accepted, request.match_info["account"], read_login(request)[1]))

    async def _ring(self, accepted: Accepted, account: str, token: str) -> None:
        """Ring until the call is answered or its time is up; show it in the inbox, and report its end."""
        (draft,), sid = accepted.drafts, accepted.provider_id
        acts = self._ringing[sid] = asyncio.get_running_loop().create_future()
        if action := CALL_ANSWERS[self.answers]:
            acts.set_result(action)
        seconds = 0 if self.answers == "nobody" else float(draft.custom["Timeout"])
        await asyncio.wait([acts], timeout=seconds)
        action = self._ringing.pop(sid).result() if acts.done() else "no-answer"
        answered_by = {"answer": "human", "machine": "machine_start"}.get(action, "")
        status = "completed" if answered_by else action
        if message := self.outbox.find_sent(self.channel, sid, draft.to):
            said = "\n".join(read_texts(draft.custom["Twiml"])) if answered_by else ""
            custom = draft.custom | {"CallStatus": status}
            self.outbox.change(message, replace(draft, text=said, custom=custom))
        form = {"AccountSid": account, "ApiVersion": "2010-04-01", "CallSid": sid, "CallStatus": status}
        form |= {"To": draft.to, "From": draft.sender, "AnsweredBy": answered_by}
        self.receipts.send_form(draft.custom["StatusCallback"], token, form)

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a call into its one draft."""
        form, told = _USUAL | await self.read_form(request), read_told(request.headers.get)
        _check_call(form)
        kept = {key: form[key] for key in ("Twiml", "StatusCallback", *_USUAL)}
        told["custom"] |= kept | {"CallStatus": "ringing"}
        draft = OutboxDraft(to=form["To"], text="", sender=form["From"], **told)
        return self.take(request, draft)


def _check_call(form: dict[str, str]) -> None:
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
