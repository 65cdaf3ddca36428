"""HTTP server of the exporter: /metrics for Prometheus, /alive for the check of its container."""

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST

_SECONDS = 10.0  # that a client may take to ask


class MetricsServer(ThreadingHTTPServer):
    """Answers with what `scrape` returns; `tidy` is called every second."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(
        self, address: tuple[str, int], scrape: Callable[[], bytes], tidy: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(address, _Handler)
        self.scrape = scrape
        self._tidy = tidy

    def service_actions(self) -> None:
        """Tidy up between two requests."""
        self._tidy()


class _Handler(BaseHTTPRequestHandler):
    server: MetricsServer
    timeout = _SECONDS
    server_version, sys_version = "rdvpriority", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, self.server.scrape())
        elif path == "/alive":
            self._answer(HTTPStatus.OK, "text/plain", b"ok\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /alive\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its base's name
        """Write no line for each scrape."""
