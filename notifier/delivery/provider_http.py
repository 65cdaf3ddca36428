"""HTTP session of the providers: keeps connections, ends in time, stays on loopback, sorts failures."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest, Response
from urllib3.util import Timeout

from configs.hosts import is_loopback
from configs.retry_after import parse_retry_after
from configs.settings import settings
from notifier.channel_base import OutgoingMessage
from notifier.delivery.call_time import seconds_left
from notifier.delivery.provider_connections import NotSent, ProviderAdapter
from notifier.errors import LeavesLoopback, Misconfigured, OutcomeUnknown, RateLimited, TemporaryError

_CONNECT_SECONDS = 3.0
# The server did not want to wait for the request, or to risk it: https://www.rfc-editor.org/rfc/rfc9110#name-408-request-timeout
_NOT_TAKEN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


def read_retry_after(answer: Response) -> float | None:
    """Return the seconds that an answer asks to wait, None where it does not say."""
    return parse_retry_after(answer.headers.get("Retry-After", ""))


class Transport(requests.Session):
    """A session with one provider, whose `name` the reasons start with.

    An answer of 408, 425, 429 or 5xx is raised as TemporaryError; `wait` reads from it how long the provider wants to
    be left alone. A redirect says that the address is wrong. The channel judges every other answer.
    """

    def __init__(self, name: str, wait: Callable[[Response], float | None] = read_retry_after) -> None:
        super().__init__()
        self.name = name
        self.wait = wait
        # A .netrc would replace our Authorization, a proxy of the environment would carry messages past the guard.
        self.trust_env = False
        self.mount("https://", ProviderAdapter())
        self.mount("http://", ProviderAdapter())

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Send one request in the time that the call has, from looking up the name to the answer's last byte.

        Redirects are not followed.

        Raises:
            LeavesLoopback: the address is not this machine and APP_ENV does not allow that.
            Misconfigured: the provider answered 3xx.
            RateLimited: the provider answered 429.
            TemporaryError: the provider cannot have taken it: it was not reached, or answered 408, 425 or 5xx.
            OutcomeUnknown: the request left, and no whole answer came.
        """
        self._guard(request.url or "")
        seconds = seconds_left()
        timeout = Timeout(total=seconds, connect=min(_CONNECT_SECONDS, seconds))
        try:
            answer = super().send(request, **options | {"timeout": timeout, "allow_redirects": False})
        except NotSent as error:
            raise TemporaryError(f"{self.name} not reached: {error}") from error
        except requests.RequestException as error:
            raise OutcomeUnknown(f"{self.name} did not answer: {type(error).__name__}") from error
        self._sort(answer)
        return answer

    def _sort(self, answer: Response) -> None:
        said, status = f"{self.name} answered {answer.status_code}", answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(said, self.wait(answer))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_TAKEN:
            raise TemporaryError(said, self.wait(answer))
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Misconfigured(f"{said}: check its address in STAND_INS")

    def _guard(self, url: str) -> None:
        host = urlsplit(url).hostname or ""
        if settings().loopback_only and not is_loopback(host):
            raise LeavesLoopback(
                f"{host} is not on this machine, and APP_ENV={settings().app_env} sends to loopback only: "
                f"name a stand-in of {self.name} in STAND_INS, or set APP_ENV=production"
            )


def travelling(transport: Transport, message: OutgoingMessage) -> None:
    """Let the next request of a sandbox or test carry in headers what its inbox reads; elsewhere nothing."""
    seen = {"seen_at": message.seen_at.isoformat()} if message.seen_at else {}
    for name in ("notification_id", "notification_ids", "seen_at"):
        header, value = f"X-{name.replace('_', '-').title()}", (message.metadata | seen).get(name)
        transport.headers.pop(header, None)
        if settings().loopback_only and value:
            transport.headers[header] = value
