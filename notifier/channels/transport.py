"""Transport to providers: an HTTP session with time-outs, a limit on bytes and sorted failures; how far a call got.

The time-outs are those of requests, for connecting and for each read. An answer that trickles ends with the job
(https://python-rq.org/docs/jobs/), one that floods at `MOST_BYTES`.
"""

import io
import time
from collections.abc import Callable
from contextvars import ContextVar
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from configs.ground.hosts import is_loopback
from configs.ground.retry_after import parse_retry_after
from configs.settings import settings
from configs.settings.constants import Constant
from notifier.channels.provider_base import (
    LeavesLoopback,
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    TemporaryError,
    answer_seconds,
)
from notifier.content.outgoing_message import OutgoingMessage

# A session with a provider that was idle for longer opens new connections: a NAT or a load balancer forgets idle ones
_PROVIDER_IDLE_SECONDS = Constant("PROVIDER_IDLE_SECONDS", 30.0)

# How long connecting to a provider may take
CONNECT_SECONDS = Constant("PROVIDER_CONNECT_SECONDS", 3.0)
# The server did not want to wait for the request, or to risk it: https://www.rfc-editor.org/rfc/rfc9110#name-408-request-timeout
NOT_TAKEN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}


# Whether the provider may have the last request of this thread; True where it sent none by these rules
may_have_left: ContextVar[bool] = ContextVar("may_have_left", default=True)


def guard_host(host: str, mend: str) -> None:
    """Let nothing leave this machine where APP_ENV does not allow that; `mend` is what the error asks for.

    Raises:
        LeavesLoopback: the host is another machine.
    """
    if settings().loopback_only and not is_loopback(host):
        raise LeavesLoopback(
            f"{host} is not on this machine, and APP_ENV={settings().app_env} sends to loopback only: "
            f"{mend}, or set APP_ENV=production"
        )


def read_retry_after(answer: Response) -> float | None:
    """Return the seconds that an answer asks to wait, None where it does not say."""
    return parse_retry_after(answer.headers.get("Retry-After", ""))


class AnswerTooLong(requests.RequestException):
    """The answer has more than MOST_BYTES."""


class _Connection(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        if self.is_closed:
            self.connect()
        may_have_left.set(True)
        super().request(*arguments, **options)


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Makes connections whose progress is noted, and reads answers of so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        answer = super().send(request, *arguments, **options | {"stream": True})
        body = answer.raw.read(self.most_bytes + 1, decode_content=True)
        if len(body) > self.most_bytes:
            answer.raw.close()
            raise AnswerTooLong
        answer.raw = io.BytesIO(body)
        return answer


class Transport(requests.Session):
    """A session with one provider, whose `name` the reasons start with; threads may share it.

    An answer of 408, 425, 429 or 5xx is raised as TemporaryError; `wait` reads from it how long the provider wants to
    be left alone. A redirect says that the address is wrong. The channel judges every other answer.
    """

    MOST_BYTES: ClassVar[int] = 1 << 20  # of an answer: a list of Telegram's updates is the longest
    STAND_IN: ClassVar[str] = "name a stand-in of {name} in STAND_INS"

    def __init__(self, name: str, wait: Callable[[Response], float | None] = read_retry_after) -> None:
        super().__init__()
        self.name = name
        self.wait = wait
        # A .netrc would replace our Authorization, a proxy of the environment would carry messages past the guard.
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._used_at = time.monotonic()
        self.mount("https://", _Adapter(self.MOST_BYTES))
        self.mount("http://", _Adapter(self.MOST_BYTES))

    def find_timeout(self) -> float:
        """Return the seconds in which each read must bring something."""
        return answer_seconds(self.name)

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        """Send one request. Redirects are not followed.

        Raises:
            LeavesLoopback: the address is not this machine and APP_ENV does not allow that.
            Misconfigured: the provider answered 3xx.
            RateLimited: the provider answered 429.
            TemporaryError: the provider cannot have taken it: it was not reached, or answered 408, 425 or 5xx.
            OutcomeUnknown: the request may have left, and no whole answer came.
        """
        guard_host(urlsplit(request.url or "").hostname or "", self.STAND_IN.format(name=self.name))
        self._leave_idle()
        seconds = self.find_timeout()
        timeout = (min(CONNECT_SECONDS(), seconds), seconds)
        may_have_left.set(False)
        try:
            answer = super().send(request, **options | {"timeout": timeout, "allow_redirects": False})
        except (requests.RequestException, HTTPError, OSError) as error:
            because = type(error).__name__
            if may_have_left.get():
                raise OutcomeUnknown(f"{self.name} did not answer: {because}") from error
            raise TemporaryError(f"{self.name} not reached: {because}") from error
        self.sort(answer)
        return answer

    def _leave_idle(self) -> None:
        now = time.monotonic()
        if now - self._used_at > _PROVIDER_IDLE_SECONDS():
            self.close()
        self._used_at = now

    def sort(self, answer: Response) -> None:
        """Raise what an answer means that says nothing of the message."""
        said, status = f"{self.name} answered {answer.status_code}", answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(said, self.wait(answer))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in NOT_TAKEN:
            raise TemporaryError(said, self.wait(answer))
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            raise Misconfigured(f"{said}: check its address in STAND_INS")


def travelling(transport: Transport, message: OutgoingMessage) -> None:
    """Let the next request of a sandbox or test carry in headers what its inbox reads; elsewhere nothing."""
    for name in ("X-Notification-Id", "X-Notification-Ids", "X-Seen-At"):
        transport.headers.pop(name, None)
    transport.headers.update(message.inbox_headers)
