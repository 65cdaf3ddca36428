"""Base class of Twilio's resources: the login of a request, its errors, and what became of a message or a call."""

from __future__ import annotations

import re
from abc import abstractmethod
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from aiohttp import BasicAuth, web

from deploy.sandbox.clock import now
from deploy.sandbox.providers.provider import Provider, RequestRefused

if TYPE_CHECKING:
    from deploy.sandbox.outbox import Message, OutboxDraft

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
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
        app.router.add_get(f"/2010-04-01/Accounts/{{account}}/{self.resource}/{{sid}}.json", self._show)

    @abstractmethod
    def build(self, account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
        """Return the resource of a message or call as it was asked for."""

    @abstractmethod
    def find_outcome(self, message: Message) -> dict[str, object]:
        """Return what became of it: its status and its price, where it has one."""

    async def _show(self, request: web.Request) -> web.Response:
        account, sid = request.match_info["account"], request.match_info["sid"]
        if refusal := self.failing(request):
            return refusal
        if (message := self.find_sent(sid)) is None:
            return make_error(404, 20404, f"The requested resource {request.path} was not found")
        form = {"To": message.to, "From": message.draft.sender, "Body": message.text, **message.custom}
        return web.json_response(
            self.build(account, sid, form) | self.find_outcome(message) | {"price_unit": "EUR"}
        )

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
