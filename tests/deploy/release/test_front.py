"""nginx is led from one API to another while requests come, and stays where it is when the other does not exist."""

import http.client
import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from deploy.local.processes import StartFailed, free_port
from deploy.release.front import NAME, ReleaseFront
from tests.waiting import until

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]


class NamedApi(http.server.BaseHTTPRequestHandler):
    """Answers with its own name; a request for /slow waits until it may."""

    protocol_version = "HTTP/1.1"
    may_answer = threading.Event()
    asked = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/slow":
            self.asked.set()
            self.may_answer.wait(30)
        body = str(self.connection.getsockname()[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as its base says
        pass


@contextmanager
def api() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), NamedApi) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def ports() -> Iterator[tuple[int, int]]:
    NamedApi.may_answer.clear()
    NamedApi.asked.clear()
    with ExitStack() as ends:
        yield ends.enter_context(api()), ends.enter_context(api())


@pytest.fixture
def front(tmp_path: Path, ports: tuple[int, int]) -> Iterator[ReleaseFront]:
    made = ReleaseFront(tmp_path, free_port(), free_port(), ports[0])
    with made.running():
        yield made


def ask(front: ReleaseFront, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPSConnection(NAME, context=front.context)
    plain = socket.create_connection(("127.0.0.1", front.tls_port), 30)
    connection.sock = front.context.wrap_socket(plain, server_hostname=NAME)
    try:
        connection.request("POST", path, b"body")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_new_requests_go_to_the_other_and_the_one_in_flight_is_answered_by_the_first(
    front: ReleaseFront, ports: tuple[int, int]
) -> None:
    answers: list[tuple[int, str]] = []
    slow = threading.Thread(target=lambda: answers.append(ask(front, "/slow")))
    slow.start()
    assert NamedApi.asked.wait(30)
    leading = threading.Thread(target=front.lead_to, args=(ports[1],))
    leading.start()
    until(lambda: ask(front) == (200, str(ports[1])))
    assert leading.is_alive()  # the first API may not be stopped yet
    NamedApi.may_answer.set()
    leading.join(60)
    slow.join(60)
    assert answers == [(200, str(ports[0]))]
    front.lead_to(ports[0])
    assert ask(front) == (200, str(ports[0]))


def test_no_request_fails_while_it_is_led_to_and_fro(front: ReleaseFront, ports: tuple[int, int]) -> None:
    statuses: list[int] = []
    ended = threading.Event()

    def send() -> None:
        while not ended.is_set():
            statuses.append(ask(front)[0])

    sending = threading.Thread(target=send)
    sending.start()
    for _ in range(3):
        for port in reversed(ports):
            front.lead_to(port)
    ended.set()
    sending.join(60)
    assert statuses
    assert set(statuses) <= {200, 429}  # faster than the limit of one address


def test_a_child_of_nginx_that_is_none_of_its_own_is_not_waited_for(
    tmp_path: Path, ports: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = ["sh", "-c", 'sleep 300 & exec "$@"', "sh"]  # as the loop of start.sh in the container
    monkeypatch.setattr("deploy.release.front.with_parent", lambda command: [*beside, *command])
    made = ReleaseFront(tmp_path, free_port(), free_port(), ports[0])
    with made.running():
        master = int((tmp_path / "nginx.pid").read_text())
        (neighbour,) = until(
            lambda: [each for each in psutil.Process(master).children() if each.name() == "sleep"]
        )
        try:
            made.lead_to(ports[1])
            assert ask(made) == (200, str(ports[1]))
            assert neighbour.is_running()
        finally:
            neighbour.kill()


def test_a_name_that_does_not_exist_changes_nothing(front: ReleaseFront, ports: tuple[int, int]) -> None:
    conf = front.folder / "nginx.conf"
    before = conf.read_text()
    with pytest.raises(StartFailed, match="cannot be led to"):
        front.lead_to(99_999)
    assert conf.read_text() == before
    assert ask(front) == (200, str(ports[0]))
