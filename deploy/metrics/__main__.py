"""`python -m deploy.metrics`: the exporter of metrics for Prometheus, which the background program starts."""

import argparse
import signal
import sys
from http.server import ThreadingHTTPServer
from threading import Thread

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import MetricsHandler

from api.jobs.exporter import metrics_port
from api.models.session_options import wait_no_longer_than
from configs.ground.database import database_url
from configs.ground.logs import set_up_logs
from configs.programs.startup import NotReady, exit_on_config_error
from configs.programs.worker_processes import name_process
from deploy.metrics.collector import STATEMENT_SECONDS, ProductCollector

log = structlog.get_logger(__name__)


class _Handler(MetricsHandler):
    timeout = 10.0  # seconds for which a client is served; Prometheus waits no longer
    server_version, sys_version = "rdvpriority", ""

    def do_GET(self) -> None:  # noqa: N802 -- its base's name
        if self.path != "/alive":  # what the check of its container asks
            return super().do_GET()
        self.send_response_only(200)
        return self.end_headers()


def make_server(host: str, port: int) -> ThreadingHTTPServer:
    """Return the server of /metrics and /alive, each client in a thread of its own.

    Raises:
        configs.programs.startup.NotReady: the port is taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ProductCollector())
    try:
        return ThreadingHTTPServer((host, port), _Handler.factory(registry))
    except OSError as error:
        raise NotReady(f"port {port} of {host}: {error.strerror}") from None


@exit_on_config_error("the exporter of metrics")
def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; return 0.

    Raises:
        SystemExit: a setting or a desk file is wrong, or the port is taken.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.metrics", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=metrics_port())
    wanted = parser.parse_args(arguments)
    set_up_logs("metrics")
    name_process("metrics")
    database_url()  # without an address it says so at once
    wait_no_longer_than(STATEMENT_SECONDS)
    with make_server(wanted.host, wanted.port) as server:
        for signum in (signal.SIGTERM, signal.SIGINT):
            # in a thread of its own: shutdown() waits for the loop that this very thread runs
            signal.signal(signum, lambda *_: Thread(target=server.shutdown).start())
        log.info("metrics are served", host=wanted.host, port=wanted.port)
        server.serve_forever(poll_interval=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
