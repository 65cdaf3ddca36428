"""Connections to providers: one deadline for a whole call, no reuse after long idleness, what was sent.

The time-outs of requests and urllib3 are per read, so that an answer that trickles would have no end:
https://requests.readthedocs.io/en/latest/user/advanced/#timeouts
"""

import io
import socket
import time
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from configs.constants import Constant
from notifier.delivery import tcp_connect
from notifier.delivery.deadline_reader import DeadlineReader

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection

# A connection to a provider that was idle for longer is not used again
_PROVIDER_IDLE_SECONDS = Constant("PROVIDER_IDLE_SECONDS", 30.0)


class NotSent(Exception):
    """The request was not sent whole, or only into a kept connection that was dead: nothing can have been taken.

    The text is the name of what went wrong.
    """


class _AnswerReader(DeadlineReader):
    _heard = False

    def readinto(self, buffer: Any) -> int | None:
        """Raise IncompleteRead for a reset after the first byte, so that a ConnectionError means: not a byte."""
        try:
            count = super().readinto(buffer)
        except ConnectionError as error:
            if self._heard:
                raise IncompleteRead(b"") from error
            raise
        self._heard = True
        return count


class _PooledAnswer(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self.fp = io.BufferedReader(_AnswerReader(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _PooledAnswer
    ends = 0.0  # the call's deadline, in monotonic seconds
    used_at = 0.0  # when the last call ended
    sent = False  # whether the whole request left

    def _new_conn(self) -> socket.socket:
        """Connect in the time for that, which the look-up of the name is part of; raises as urllib3's own does."""
        try:
            return tcp_connect.connect(self.host, self.port, cast("float", self.timeout))
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, str(error)) from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error

    def connect(self) -> None:
        """Connect; raises ConnectTimeoutError where that took all the call's time."""
        super().connect()
        if time.monotonic() >= self.ends:
            self.close()
            raise ConnectTimeoutError(self, "connected too late")

    def request(self, *arguments: Any, **options: Any) -> None:
        self.sent = False
        super().request(*arguments, **options)
        self.sent = True


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> "BaseHTTPConnection":
        # A NAT or a load balancer forgets idle connections, and the next request is answered by a reset.
        found = super()._get_conn(timeout)
        idle = time.monotonic() - found.used_at if isinstance(found, _Connection) else 0.0
        if idle > _PROVIDER_IDLE_SECONDS():
            found.close()
        return found

    def _put_conn(self, conn: "BaseHTTPConnection | None") -> None:
        if isinstance(conn, _Connection):
            conn.used_at = time.monotonic()
        super()._put_conn(conn)

    def _make_request(self, conn: "BaseHTTPConnection", *arguments: Any, **options: Any) -> BaseHTTPResponse:
        own, kept = cast("_Connection", conn), not conn.is_closed
        own.ends, own.sent = time.monotonic() + options["timeout"].total, False
        try:
            return super()._make_request(conn, *arguments, **options)
        except (OSError, HTTPException, HTTPError) as error:
            dead = kept and isinstance(error, ConnectionError)
            if dead or not own.sent:
                raise NotSent(type(error).__name__) from error
            raise


class _TlsPool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class ProviderAdapter(HTTPAdapter):
    """An adapter of requests that makes such connections. It needs a `urllib3.Timeout` with a total.

    Raises NotSent where a call failed before the provider can have taken it.
    """

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Have the pools make our connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
