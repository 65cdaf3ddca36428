"""HTTP server of the exporter: /metrics for Prometheus, /alive for the check of its container."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Lock
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

_SECONDS = 10.0  # for which a client is served; Prometheus waits no longer
_MOST_CLIENTS = 16  # at once: each has a thread
log = structlog.get_logger(__name__)


class MetricsServer(ThreadingHTTPServer):
    """Answers with what `scrape` returns; `tidy` is called every second.

    The oldest of too many clients is left, so that no crowd keeps Prometheus away.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], scrape: Callable[[], bytes], tidy: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(address, _Handler)
        self.scrape = scrape
        self._tidy = tidy
        self._began: dict[Any, float] = {}  # by connection, the oldest first
        self._lock = Lock()

    def service_actions(self) -> None:
        """Tidy up between two requests, and leave the clients that are too slow."""
        self._leave_clients(time.monotonic() - _SECONDS, _MOST_CLIENTS)
        self._tidy()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread of its own."""
        self._leave_clients(time.monotonic() - _SECONDS, _MOST_CLIENTS - 1)
        with self._lock:
            self._began[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._began.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 -- as socketserver calls it
        """Report a defect of the exporter, not a client that disconnects."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a request of the exporter's raises")  # noqa: LOG004 -- socketserver handles one

    def _leave_clients(self, since: float, most: int) -> None:
        """Leave clients that came before `since`, and the oldest of more than `most`: their threads end."""
        with self._lock:
            left = [
                each
                for place, (each, began) in enumerate(self._began.items())
                if began < since or len(self._began) - place > most
            ]
            for each in left:
                del self._began[each]
                _shut(each)


def _shut(connection: socket) -> None:
    with suppress(OSError):  # the client has gone
        connection.shutdown(SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = _SECONDS
    server_version, sys_version = "rdvpriority", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer_scrape()
        elif path == "/alive":
            self._answer(HTTPStatus.OK, "text/plain", b"ok\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /alive\n")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer_scrape(self) -> None:
        try:
            text = self.server.scrape()
        except Exception:
            log.exception("a scrape raises")
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"see the exporter's log\n")
        else:
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, text)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its base's name
        """Write no line for each scrape."""
