"""Load during a release: requests at a constant rate through nginx, by people with network addresses of their own.

Each request is sent once, when it is due (an open loop): what is refused, broken off or late shows, and nothing is
tried again. It has a connection of its own, unless its visitor keeps theirs.
"""

import http.client
import itertools
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from deploy.release.front import NAME, ReleaseFront

_PATIENCE = 40.0  # seconds; nginx gives up after 35
_THREADS = 48
_KEPT_SECONDS = 10.0  # for which an idle connection is kept; nginx closes it after 30
_ALERT = {"prefectureId": "melun_77", "procedures": ["NATURALISATION"]}
_READS = ("/", "/api/prefectures", "/api/alerts", "/api/health/live")


@dataclass(frozen=True)
class Request:
    """One request: when it was due, what it was, its status (0: refused or broken off), seconds since it was due."""

    due: float  # time.monotonic()
    what: str
    status: int
    seconds: float
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it was not answered as it should."""
        return not HTTPStatus.OK <= self.status < HTTPStatus.BAD_REQUEST


class _Kept(NamedTuple):
    visitor: int
    connection: http.client.HTTPSConnection
    since: float  # time.monotonic()


@dataclass
class RequestLoad:
    """The visitors and their requests. `answers` grows until `stop`."""

    front: ReleaseFront
    emails: Sequence[str]
    password: str
    rate: float  # requests a second
    writes: int = 10  # one request of so many writes
    keepers: int = 0  # of the visitors, how many keep their connections
    answers: list[Request] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)  # alerts, by what the API said of them
    _tokens: list[str] = field(default_factory=list)
    _kept: list[_Kept] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests while the block lasts, and wait for the answers of all of them."""
        context = self.front.context
        self._tokens = [self._sign_in(number, context) for number in range(len(self.emails))]
        thread = threading.Thread(target=self._send_all, args=(context,), name="load", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            for each in self._kept:
                each.connection.close()

    def count_alerts(self) -> int:
        """Return how many alerts the visitors have.

        Raises:
            RuntimeError: the API does not say.
        """
        context, found = self.front.context, 0
        for visitor, email in enumerate(self.emails):
            status, page = self._ask(visitor, "GET", "/api/alerts?limit=100", context)
            if status != HTTPStatus.OK:
                raise RuntimeError(f"the alerts of {email} cannot be read: {status} {page}")
            found += len(page["items"])
        return found

    def _send_all(self, context: Any) -> None:
        began = time.monotonic()
        with ThreadPoolExecutor(_THREADS) as hands:
            for number in itertools.count():
                due = began + number / self.rate
                if self._ended.wait(max(0.0, due - time.monotonic())):
                    return
                hands.submit(self._act, number, due, context)

    def _act(self, number: int, due: float, context: Any) -> None:
        visitor = number % len(self.emails)
        if number % self.writes:
            path = _READS[number % len(_READS)]
            self._note(due, f"GET {path}", lambda: self._ask(visitor, "GET", path, context))
            return
        made = self._note(
            due, "POST /api/alerts", lambda: self._ask(visitor, "POST", "/api/alerts", context, _ALERT)
        )
        if made is None:
            return
        self.written["made"] += 1
        path = f"/api/alerts/{made['id']}"
        ended = self._note(
            time.monotonic(), "DELETE /api/alerts", lambda: self._ask(visitor, "DELETE", path, context)
        )
        self.written["ended"] += ended is not None

    def _note(self, due: float, what: str, send: Callable[[], tuple[int, Any]]) -> Any:
        """Send a request and note what became of it; return its body, None where it failed."""
        try:
            (status, body), error = send(), ""
        except (OSError, http.client.HTTPException, ValueError) as failure:
            status, body, error = 0, None, repr(failure)
        answer = Request(due, what, status, time.monotonic() - due, error)
        self.answers.append(answer)
        return None if answer.failed else body

    def _sign_in(self, visitor: int, context: Any) -> str:
        credentials = {"email": self.emails[visitor], "password": self.password}
        status, body = self._ask(visitor, "POST", "/api/auth/login", context, credentials)
        if status != HTTPStatus.OK:
            raise RuntimeError(f"{self.emails[visitor]} cannot sign in: {status} {body}")
        return str(body["token"])

    def _ask(
        self, visitor: int, method: str, path: str, context: Any, body: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        headers = {"Accept-Language": "fr"}
        if self._tokens and path.startswith("/api/"):
            headers["Authorization"] = f"Bearer {self._tokens[visitor]}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = self._take_kept(visitor) or self._connect(visitor, context)
        with ExitStack() as ends:
            ends.callback(connection.close)
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            read = answer.read()
            if visitor < self.keepers and connection.sock:  # http.client closes what nginx will not keep
                ends.pop_all()
                with self._lock:
                    self._kept.append(_Kept(visitor, connection, time.monotonic()))
        is_json = "json" in answer.headers.get("Content-Type", "") and bool(read)
        return answer.status, json.loads(read) if is_json else {}

    def _take_kept(self, visitor: int) -> http.client.HTTPSConnection | None:
        """Take a connection that a visitor kept, and close those that nginx is about to close."""
        with self._lock:
            now = time.monotonic()
            old = [each for each in self._kept if now - each.since > _KEPT_SECONDS]
            self._kept = [each for each in self._kept if each not in old]
            found = next((each for each in self._kept if each.visitor == visitor), None)
            if found:
                self._kept.remove(found)
        for each in old:
            each.connection.close()
        return found.connection if found else None

    def _connect(self, visitor: int, context: Any) -> http.client.HTTPSConnection:
        door, own = ("127.0.0.1", self.front.tls_port), (f"127.1.0.{visitor + 1}", 0)
        connection = http.client.HTTPSConnection(NAME, context=context)
        plain = socket.create_connection(door, _PATIENCE, own)
        connection.sock = context.wrap_socket(plain, server_hostname=NAME)
        return connection
