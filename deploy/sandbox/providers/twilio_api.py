"""Base class of Twilio's resources: its errors, and the login of a request."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING

from aiohttp import BasicAuth, web

from deploy.sandbox.providers.provider import Provider, RequestRefused

if TYPE_CHECKING:
    from deploy.sandbox.outbox import OutboxDraft


def make_error(status: int, code: int, message: str, **headers: str) -> web.Response:
    """Return an error in Twilio's shape."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": message, "more_info": more, "status": status}
    return web.json_response(body, status=status, headers=headers)


def make_invalid(number: str) -> web.Response:
    """Return the refusal of a number."""
    return make_error(400, 21211, f"Invalid 'To' Phone Number: {number}")


class TwilioApi(Provider, ABC):
    """One of Twilio's resources."""

    def read_key(self, request: web.Request) -> str:
        """Return the password."""
        try:
            return str(BasicAuth.decode(request.headers.get("Authorization", "")).password)
        except ValueError:
            return ""

    def rate_limited(self, seconds: int) -> web.Response:
        """Answer 429 with Retry-After."""
        return make_error(429, 20429, "Too Many Requests", **{"Retry-After": str(seconds)})

    def broken(self) -> web.Response:
        """Answer 500."""
        return make_error(500, 20500, "An internal server error has occurred")

    def unauthorized(self) -> web.Response:
        """Answer 401."""
        return make_error(401, 20003, "Authenticate")

    def rejected(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:  # noqa: ARG002 - the number is named
        """Answer 400, code 21211."""
        return make_invalid(drafts[0].to)

    def authenticate(self, request: web.Request, account: str) -> None:
        """Refuse a request without the account's login."""
        try:
            given = BasicAuth.decode(request.headers.get("Authorization", ""))
        except ValueError:
            raise RequestRefused(self.unauthorized()) from None
        # An API key (SK…) may replace the account.
        if not given.password or (given.login != account and not given.login.startswith("SK")):
            raise RequestRefused(self.unauthorized())
