"""World of the notifier's tests: database, Redis and stand-ins together."""

import http.server
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.message import Message
from typing import TYPE_CHECKING, Any

import pytest
import redis
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from api.models.user import Channel
from configs.ground.clock import clock
from configs.programs.jobs import queue
from notifier.channels.batch_sender import BatchSender, providers
from notifier.channels.provider_base import Acceptance, Answer, Provider
from notifier.content.message_kind_base import OutgoingMessage

if TYPE_CHECKING:
    from tests.running_sandbox import Running


@pytest.fixture
def queued(redis_server: redis.Redis) -> Callable[[str], list[tuple[str, list[Any]]]]:
    """Give a function that returns what waits in a queue: function and arguments, in order."""

    def look(name: str) -> list[tuple[str, list[Any]]]:
        return [(str(job.func_name), list(job.args)) for job in queue(name).get_jobs()]

    return look


@pytest.fixture
def whole(database: str, redis_server: redis.Redis, sandbox: "Running") -> "Running":
    """Give the stand-ins, with a database and a Redis beside them."""
    return sandbox


class Posts:
    """A server: it keeps what is posted to it, and gives one answer after the other, then the usual one."""

    def __init__(self) -> None:
        self.url, self.paths, self.bodies, self.headers = "", list[str](), list[bytes](), list[Message]()
        self.answers, self.usual = list[tuple[int, bytes]](), (200, b'{"received": true}')
        self.said = dict[str, str]()  # headers of all answers


@pytest.fixture
def posts() -> Iterator[Posts]:
    made = Posts()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.paths.append(self.path)
            made.headers.append(self.headers)
            made.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = made.answers.pop(0) if made.answers else made.usual
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **made.said}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


# Providers and calls of the tests of delivery: one that answers as a test wants, and a job that RQ ends


@contextmanager
def job_until(time_is_up: threading.Event) -> Iterator[None]:
    """Let what is inside be a job that RQ ends once an event is set.

    After so many seconds, on a busy machine, it would end before what the test waits for, or after.
    """
    over, worker = threading.Event(), threading.get_ident()

    def end() -> None:
        time_is_up.wait()
        if not over.is_set():
            signal.pthread_kill(worker, signal.SIGALRM)

    thread = threading.Thread(target=end)
    with UnixSignalDeathPenalty(60, JobTimeoutException):  # type: ignore[no-untyped-call] # RQ's own has no types
        thread.start()
        yield
        over.set()
        time_is_up.set()
        thread.join()


def hand_over_in_job(
    channel: Channel, messages: Sequence[OutgoingMessage], time_is_up: threading.Event
) -> Sequence[Answer]:
    """Return the answers of a channel's providers, whose job ended meanwhile."""
    sender = BatchSender(channel, clock() + timedelta(hours=1))
    providers()  # imported before the time begins
    with job_until(time_is_up):
        answers = sender.hand_over(messages)
    assert sender.is_over
    return answers


class Answering(Provider):
    """Gives one answer to every call: that, an error, or a yes once a function of its messages was called."""

    def __init__(
        self, answer: Acceptance | Exception | Callable[[Sequence[OutgoingMessage]], object]
    ) -> None:
        self.answer = answer
        self.calls: list[int] = []  # messages of each
        self.taken: list[str] = []  # addresses

    def hand_over(self, messages: Sequence[OutgoingMessage]) -> Sequence[Answer]:
        self.calls.append(len(messages))
        if isinstance(self.answer, Exception):
            raise self.answer
        if callable(self.answer):
            self.answer(messages)
        self.taken += [each.address for each in messages]
        accepted = self.answer if isinstance(self.answer, Acceptance) else Acceptance("test", "1")
        return [accepted] * len(messages)
