"""World of the notifier's tests: database, Redis and stand-ins together."""

import http.server
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from typing import TYPE_CHECKING, Any

import pytest
import redis

from configs.ground.job_queues import queue

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


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
            self.send_header("Content-Length", str(len(body)))
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
