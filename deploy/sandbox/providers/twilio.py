"""Twilio's Messages resource: the form it takes, the JSON it answers, after its public API reference.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
import secrets
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from deploy.sandbox.clock import now
from deploy.sandbox.control_error import Refusal
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import Accepted, RequestRefused, seen_at, told_ids
from deploy.sandbox.providers.twilio_api import TwilioApi, make_error, make_invalid
from deploy.sandbox.receipts.events import make_answer, make_states
from deploy.sandbox.receipts.signatures import sign_form
from deploy.sandbox.request_body import read_body, text

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST: Final = 1600
_PRICE: Final = 0.0725  # EUR a segment
_KEPT: Final = ("StatusCallback", "MessagingServiceSid")


class Twilio(TwilioApi):
    """SMS: one call, one message."""

    channel = "sms"
    account = token = ""  # of the last message
    provider_name = "twilio"

    def add_own_routes(self, app: web.Application) -> None:
        """Add the Messages resource."""
        app.router.add_post("/2010-04-01/Accounts/{account}/Messages.json", self.call)
        app.router.add_get("/2010-04-01/Accounts/{account}/Messages/{sid}.json", self._show)
        app.router.add_post("/_control/answer", self._answer)

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

    async def _show(self, request: web.Request) -> web.Response:
        """Answer what became of a message: only now it has a price."""
        account, sid = request.match_info["account"], request.match_info["sid"]
        if refusal := self._failing(self.modes.met_by(), request):
            return refusal
        sent = (each for each in self.outbox.messages(self.channel) if each.provider_id == sid)
        message = next(sent, None)
        if message is None:
            return make_error(404, 20404, f"The requested resource {request.path} was not found")
        form = {"To": message.to, "Body": message.text, **message.custom}
        parts = segments(message.text)
        priced = {"status": "delivered", "price": f"{-_PRICE * parts:.4f}", "price_unit": "EUR"}
        return web.json_response(_resource(account, sid, form) | priced)

    async def _answer(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self.answer(text(body, "from") or "", text(body, "text") or "STOP")
        return web.json_response({"sent": True})

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a message into its one draft."""
        account = request.match_info["account"]
        self.authenticate(request, account)
        form = {key: str(value) for key, value in (await request.post()).items()}
        _check(form)
        draft = OutboxDraft(
            to=form["To"],
            text=form["Body"],
            sender=form.get("From") or form["MessagingServiceSid"],
            seen_at=seen_at(request.headers.get("X-Seen-At")),
            custom=told_ids(request) | {key: form[key] for key in _KEPT if key in form},
        )
        sid = f"SM{secrets.token_hex(16)}"
        return Accepted([draft], sid, web.json_response(_resource(account, sid, form), status=201))


def _check(form: dict[str, str]) -> None:
    if not form.get("To"):
        raise RequestRefused(make_error(400, 21604, "A 'To' phone number is required."))
    if not form.get("From") and not form.get("MessagingServiceSid"):
        raise RequestRefused(make_error(400, 21603, "A 'From' phone number is required."))
    if not form.get("Body"):
        raise RequestRefused(make_error(400, 21602, "Message body is required."))
    if len(form["Body"]) > _LONGEST:
        raise RequestRefused(
            make_error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        )
    if not _NUMBER.fullmatch(form["To"]):
        raise RequestRefused(make_invalid(form["To"]))


def _resource(account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
    here = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
    moment = format_datetime(now())
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": form["Body"],
        "date_created": moment,
        "date_sent": None,
        "date_updated": moment,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From"),
        "messaging_service_sid": form.get("MessagingServiceSid"),
        "num_media": "0",
        "num_segments": str(segments(form["Body"])),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": "queued",
        "subresource_uris": {"media": f"{here}/Media.json"},
        "to": form["To"],
        "uri": f"{here}.json",
    }


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
