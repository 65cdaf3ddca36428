"""Twilio: what its resources have in common, and Messages: the form it takes, the JSON it answers.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
import secrets
from abc import abstractmethod
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlencode

from aiohttp import BasicAuth, web

from deploy.sandbox import addresses
from deploy.sandbox.clock import now
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import Accepted, Provider, RequestRefused, seen_at, told_ids
from deploy.sandbox.providers.receipts import make_answer, make_states, sign_form
from deploy.sandbox.request_body import Refusal

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_LONGEST: Final = 1600
_KEPT: Final = ("StatusCallback", "MessagingServiceSid")
_FAILURES: Final = {
    "rate_limited": (429, 20429, "Too Many Requests"),
    "error_500": (500, 20500, "An internal server error has occurred"),
    "unauthorized": (401, 20003, "Authenticate"),
}


def make_error(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error in Twilio's shape."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return web.json_response(body, status=status, headers=headers)


def refuse(code: int, message: str) -> RequestRefused:
    """Return the refusal of a call whose form is wrong."""
    return RequestRefused(make_error(400, code, message))


class TwilioApi(Provider):
    """One of Twilio's resources, by its name in the address."""

    resource: str

    def add_own_routes(self, app: web.Application) -> None:
        """Add the resource."""
        app.router.add_post(f"/2010-04-01/Accounts/{{account}}/{self.resource}.json", self.call)

    @abstractmethod
    def build(self, account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
        """Return the resource of a message or call as it was asked for."""

    def describe(self, account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
        """Return what the resources of messages and calls have in common."""
        moment = format_datetime(now())
        here = f"/2010-04-01/Accounts/{account}/{self.resource}/{sid}.json"
        sent = {"direction": "outbound-api", "from": form.get("From"), "to": form["To"], "status": "queued"}
        dates = {"date_created": moment, "date_updated": moment, "price": None, "price_unit": "USD"}
        return {"account_sid": account, "api_version": "2010-04-01", "sid": sid, "uri": here, **sent, **dates}

    def read_key(self, request: web.Request) -> str:
        """Return the password."""
        login = _read_login(request)
        return login.password if login else ""

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer in Twilio's shape; 429 has Retry-After."""
        headers = {"Retry-After": str(seconds)} if mode == "rate_limited" else {}
        return make_error(*_FAILURES[mode], headers)

    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:  # noqa: ARG002 - the number is named
        """Answer 400, code 21211."""
        return make_error(400, 21211, f"Invalid 'To' Phone Number: {drafts[0].to}")

    async def read_form(self, request: web.Request) -> dict[str, str]:
        """Return the form of a request that has the account's login."""
        given = _read_login(request)
        # An API key (SK…) may replace the account.
        known = given and (given.login == request.match_info["account"] or given.login.startswith("SK"))
        if given is None or not given.password or not known:
            raise RequestRefused(self.fail("unauthorized", 0))
        return {key: str(value) for key, value in (await request.post()).items()}


def check_number(number: str, code: int, name: str) -> None:
    """Refuse what is no number in E.164."""
    if not _NUMBER.fullmatch(number):
        raise refuse(code, f"Invalid '{name}' Phone Number: {number}")


def _read_login(request: web.Request) -> BasicAuth | None:
    try:
        return BasicAuth.decode(request.headers.get("Authorization", ""))
    except ValueError:
        return None


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
