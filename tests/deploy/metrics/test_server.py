"""The exporter's HTTP server: clients that are slow, many, hasty or odd keep no Prometheus away."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import structlog

from deploy.metrics import server as server_module
from deploy.metrics.server import MetricsServer
from tests.waiting import until

TEXT = b"rdvpriority_outages_open 1\n"


@pytest.fixture
def scrape() -> Callable[[], bytes]:
    return lambda: TEXT


@pytest.fixture
def server(scrape: Callable[[], bytes]) -> Iterator[MetricsServer]:
    with MetricsServer(("127.0.0.1", 0), scrape) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(
    server: MetricsServer, method: str = "GET", path: str = "/metrics", **headers: str
) -> tuple[int, bytes]:
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), 10)


@pytest.fixture
def count_threads(server: MetricsServer) -> Callable[[], int]:
    """Return how to count the threads that serve a client, without those that were there before."""
    before = set(threading.enumerate())
    return lambda: sum("process_request_thread" in each.name for each in set(threading.enumerate()) - before)


def test_it_answers_a_scrape_and_a_check(server: MetricsServer) -> None:
    assert ask(server) == (200, TEXT)
    assert ask(server, path="/metrics?name[]=x") == (200, TEXT)
    assert ask(server, path="/alive") == (200, b"ok\n")
    assert ask(server, path="/else")[0] == 404


def test_a_head_has_the_headers_alone(server: MetricsServer) -> None:
    assert ask(server, "HEAD") == (200, b"")
    assert ask(server, "HEAD", "/alive") == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_other_methods_are_refused(server: MetricsServer, method: str) -> None:
    assert ask(server, method)[0] in {405, 501}


def test_huge_headers_are_refused(server: MetricsServer) -> None:
    assert ask(server, X="x" * 70_000)[0] == 431
    assert ask(server, **{f"X-{number}": "x" for number in range(200)})[0] == 431
    assert ask(server, path="/" + "x" * 70_000)[0] == 414


def test_two_hundred_silent_clients_keep_no_scrape_away_and_few_threads(
    server: MetricsServer, count_threads: Callable[[], int]
) -> None:
    with ExitStack() as clients:
        for _ in range(200):
            clients.enter_context(connect(server))
        assert ask(server) == (200, TEXT)
        until(lambda: count_threads() <= server_module._MOST_CLIENTS, 10)


def test_a_client_that_asks_byte_by_byte_is_left(
    server: MetricsServer, count_threads: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_SECONDS", 0.3)
    with connect(server) as client:
        client.settimeout(0.05)

        def is_left() -> bool:
            try:
                client.sendall(b"G")
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(is_left, 10)
    until(lambda: count_threads() == 0, 10)


def test_a_client_that_goes_away_leaves_no_traceback(
    server: MetricsServer, count_threads: Callable[[], int], capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
    with connect(server) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert ask(server) == (200, TEXT)
    until(lambda: count_threads() == 0, 10)
    assert "Traceback" not in capfd.readouterr().err


def fail() -> bytes:
    raise ValueError("of a sample")


@pytest.mark.parametrize("scrape", [fail])
def test_a_scrape_that_raises_is_a_500_and_told(server: MetricsServer) -> None:
    with structlog.testing.capture_logs() as logs:
        assert ask(server)[0] == 500
    assert [(line["log_level"], line["exc_info"]) for line in logs] == [("error", True)]
    assert ask(server, path="/alive") == (200, b"ok\n")
