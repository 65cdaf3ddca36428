"""Twilio's Messages, and what its resources share: the forms they take, the JSON they answer.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from aiohttp import BasicAuth, web

from deploy.sandbox import addresses
from deploy.sandbox.outbox import OutboxDraft
from deploy.sandbox.providers.provider import Accepted, MessageProvider, RequestRefused, read_told

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


class TwilioApi(MessageProvider):
    """One of Twilio's resources, by its name in the address."""

    resource: str
    prefix: str  # of its ids

    def add_own_routes(self, app: web.Application) -> None:
        """Add the resource."""
        app.router.add_post(f"/2010-04-01/Accounts/{{account}}/{self.resource}.json", self.call)

    def take(self, request: web.Request, draft: OutboxDraft, **more: object) -> Accepted:
        """Accept one message or call; answer it as queued, with ``more``."""
        sid = f"{self.prefix}{secrets.token_hex(16)}"
        made = {"account_sid": request.match_info["account"], "sid": sid, "status": "queued", "to": draft.to}
        return Accepted([draft], sid, web.json_response(made | more, status=201))

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer in Twilio's shape; 429 has Retry-After."""
        headers = {"Retry-After": str(seconds)} if mode == "rate_limited" else {}
        return make_error(*_FAILURES[mode], headers)

    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:  # noqa: ARG002 - the number is named
        """Answer 400, code 21211."""
        return make_error(400, 21211, f"Invalid 'To' Phone Number: {drafts[0].to}")

    async def read_form(self, request: web.Request) -> dict[str, str]:
        """Return the form of a request that has the account's login."""
        account, token = read_login(request)
        if not token or account != request.match_info["account"]:
            raise RequestRefused(self.fail("unauthorized", 0))
        return {key: str(value) for key, value in (await request.post()).items()}


def check_number(number: str, code: int, name: str) -> None:
    """Refuse what is no number in E.164."""
    if not _NUMBER.fullmatch(number):
        raise refuse(code, f"Invalid '{name}' Phone Number: {number}")


def read_login(request: web.Request) -> tuple[str, str]:
    """Return account and token, empty where there is no login."""
    try:
        given = BasicAuth.decode(request.headers.get("Authorization", ""))
    except ValueError:
        return "", ""
    return given.login, given.password


class Twilio(TwilioApi):
    """SMS: one call, one message."""

    channel = "sms"
    provider_name = "twilio"
    host = addresses.TWILIO
    resource, prefix = "Messages", "SM"

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:
        """Call the message's own StatusCallback, signed with the token that the message came with."""
        (draft,), sid = accepted.drafts, accepted.provider_id
        token = read_login(request)[1]
        common = {"AccountSid": request.match_info["account"], "ApiVersion": "2010-04-01"}
        for state in ("sent", "delivered") if "StatusCallback" in draft.custom else ():
            ids = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": state, "SmsStatus": state}
            form = common | ids | {"To": draft.to, "From": draft.sender}
            self.receipts.send_form(draft.custom["StatusCallback"], token, form)

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a message into its one draft."""
        form, told = await self.read_form(request), read_told(request.headers.get)
        _check(form)
        told["custom"] |= {key: form[key] for key in _KEPT if key in form}
        sender = form.get("From") or form["MessagingServiceSid"]
        draft = OutboxDraft(to=form["To"], text=form["Body"], sender=sender, **told)
        # As where a messaging service sends: its parts are counted later.
        return self.take(request, draft, body=draft.text, num_segments="0")


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
