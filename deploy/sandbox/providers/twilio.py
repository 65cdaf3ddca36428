"""Twilio's Messages resource: the form it takes, the JSON it answers, after its public API reference.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from deploy.sandbox import addresses
from deploy.sandbox.control_error import Refusal
from deploy.sandbox.outbox import Message, OutboxDraft
from deploy.sandbox.providers.provider import Accepted, seen_at, told_ids
from deploy.sandbox.providers.twilio_api import TwilioApi, check_number, refuse
from deploy.sandbox.receipts.events import make_answer, make_states
from deploy.sandbox.receipts.signatures import sign_form

_LONGEST: Final = 1600
_PRICE: Final = 0.0725  # EUR a segment
_KEPT: Final = ("StatusCallback", "MessagingServiceSid")


class Twilio(TwilioApi):
    """SMS: one call, one message."""

    channel = "sms"
    account = token = ""  # of the last message
    provider_name = "twilio"
    host = addresses.TWILIO
    resource = "Messages"

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:
        """Call the message's own StatusCallback, signed with the token that the message came with."""
        self.account, self.token = request.match_info["account"], self.read_key(request)
        (draft,) = accepted.drafts
        if url := draft.custom.get("StatusCallback"):
            for form in make_states(self.receipts.says, self.account, accepted.provider_id, draft):
                self._send_form(url, form)

    def answer(self, number: str, said: str) -> None:
        """Let a person answer an SMS; a Refusal where none was sent, so that no token is known."""
        if not self.token:
            raise Refusal("send an SMS first: its token signs the answer")
        self._send_form(f"{self.receipts.hooks}/twilio", make_answer(self.account, number, said))

    def _send_form(self, address: str, form: dict[str, str]) -> None:
        url = address.partition("#")[0]  # behind it are wishes to Twilio: it repeats what failed anyway
        token = self.token
        self.receipts.send(url, urlencode(form).encode, lambda _: sign_form(token, url, form))

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a message into its one draft."""
        form, sid = await self.read_form(request), f"SM{secrets.token_hex(16)}"
        _check(form)
        draft = OutboxDraft(
            to=form["To"],
            text=form["Body"],
            sender=form.get("From") or form["MessagingServiceSid"],
            seen_at=seen_at(request.headers.get("X-Seen-At")),
            custom=told_ids(request) | {key: form[key] for key in _KEPT if key in form},
        )
        made = self.build(request.match_info["account"], sid, form)
        return Accepted([draft], sid, web.json_response(made, status=201))

    def build(self, account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
        """Return a message as it is queued."""
        here = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
        return self.describe(account, sid, form) | {
            "body": form["Body"],
            "date_sent": None,
            "error_code": None,
            "error_message": None,
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": str(segments(form["Body"])),
            "subresource_uris": {"media": f"{here}/Media.json"},
        }

    def find_outcome(self, message: Message) -> dict[str, object]:
        """Return the price, which only a message that left has."""
        return {"status": "delivered", "price": f"{-_PRICE * segments(message.text):.4f}"}


def _check(form: dict[str, str]) -> None:
    if not form.get("To"):
        raise refuse(21604, "A 'To' phone number is required.")
    if not form.get("From") and not form.get("MessagingServiceSid"):
        raise refuse(21603, "A 'From' phone number is required.")
    if not form.get("Body"):
        raise refuse(21602, "Message body is required.")
    if len(form["Body"]) > _LONGEST:
        raise refuse(21617, "The concatenated message body exceeds the 1600 character limit.")
    check_number(form["To"], 21211, "To")


_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")  # two septets each
_GSM: Final = (160, 153)  # characters of a single segment, of each part of several
_UCS2: Final = (70, 67)


def segments(text: str) -> int:
    """Return how many segments a text takes; at least one."""
    if all(character in _BASIC or character in _EXTENDED for character in text):
        length, (single, part) = sum(1 + (character in _EXTENDED) for character in text), _GSM
    else:
        length, (single, part) = len(text.encode("utf-16-be")) // 2, _UCS2
    return 1 if length <= single else -(-length // part)
