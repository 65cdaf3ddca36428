"""Live notices: who may open a stream, what it has, and when it ends. A server of its own, on a real port."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPResponse
from uuid import uuid4

import pytest
import uvicorn
from flask import Flask
from flask_jwt_extended import create_access_token, create_refresh_token
from redis import Redis
from redis.exceptions import ConnectionError  # noqa: A004 -- redis-py names it so

from api.models.base import first_id_at, new_id
from api.models.login import EndedBecause, Login
from api.models.user import Role, User
from api.stream import __main__ as program
from api.stream import notice_hub
from api.stream.logins import DatabaseAway, Reader
from configs.ground.clock import clock, override_clock
from configs.ground.redis import redis as queue_redis
from configs.ground.signing import ACCESS_COOKIE, STAFF_IDLE_SECONDS
from configs.programs.loop_report import FRESH, NOTICES, STREAM, read_report
from tests.api.alerts.test_notifications import write_notice
from tests.clients import People, Person
from tests.factories import change
from tests.waiting import until

API = "http://localhost:4000"
FRONT = "https://front.example"


@pytest.fixture
def camille(person: People) -> Person:
    """Make a user at a clock that goes on, as the streams' does."""
    return person()


class Stream:
    """An open stream."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response

    def greet(self) -> None:
        assert (self.next_line(), self.next_line()) == ("retry: 2000", "")

    def next_line(self) -> str:
        line = self.response.readline().decode()
        assert line, "the stream ended"
        return line.rstrip("\n")

    def expect_notice(self) -> None:
        """Wait for the next event; it says that a notice came."""
        assert [self.next_line() for _ in range(3)] == ["event: notice", "data: {}", ""]


class LiveServer:
    """The program on a port of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextmanager
    def open(
        self, path: str = "/api/notices/stream", method: str = "GET", **headers: str
    ) -> Iterator[HTTPResponse]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            yield connection.getresponse()
        finally:
            connection.close()

    @contextmanager
    def listen(self, person: Person, path: str = "/api/notices/stream", **headers: str) -> Iterator[Stream]:
        """Open a stream that is known to be served."""
        with self.open(path, **person.headers, **headers) as response:
            assert response.status == 200
            assert response.getheader("Content-Type", "").startswith("text/event-stream")
            stream = Stream(response)
            stream.greet()
            yield stream


def end_login(person: Person) -> None:
    change(Login, Login.user_id == person.id, ended_at=clock(), ended_because=EndedBecause.LOGGED_OUT)


@pytest.fixture
def live(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    monkeypatch.setattr(notice_hub, "POLL_SECONDS", 0.1)
    server = uvicorn.Server(
        uvicorn.Config(program.create_app(), port=0, log_config=None, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    yield LiveServer(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("is_nudged", [True, False])
def test_a_new_notice_arrives_at_once_and_without_a_nudge_once_the_table_is_read(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch, *, is_nudged: bool
) -> None:
    monkeypatch.setattr(notice_hub, "POLL_SECONDS", 60 if is_nudged else 0.2)
    camille = person()
    with live.listen(camille) as stream:
        for _ in range(2):
            write_notice(camille.id)
            if is_nudged:
                queue_redis().publish(NOTICES, b"")
            stream.expect_notice()


def test_without_redis_the_table_is_read_all_the_same(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    def fail(*_: object, **__: object) -> None:
        asked.set()
        raise ConnectionError("refused")

    monkeypatch.setattr(notice_hub, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(
        "api.stream.notice_hub.PubSub.get_message", fail
    )  # the connection that was open is lost
    monkeypatch.setattr("api.stream.notice_hub.Redis.from_url", fail)
    camille = person()
    assert asked.wait(10)
    with live.listen(camille) as stream:
        write_notice(camille.id)
        stream.expect_notice()


def test_a_login_of_staff_that_was_left_alone_has_no_stream(live: LiveServer, person: People) -> None:
    long_ago = clock() - timedelta(seconds=STAFF_IDLE_SECONDS + 5)
    support, user = person("support@example.org"), person("robin@example.org")
    change(User, User.id == support.id, role=Role.SUPPORT)
    with live.listen(support) as stream:
        change(Login, Login.user_id == support.id, last_used_at=long_ago)
        with pytest.raises(AssertionError, match="the stream ended"):
            stream.next_line()
    with live.open(**support.headers) as refused:
        assert refused.status == 401
    change(Login, Login.user_id == user.id, last_used_at=long_ago)
    with live.open(**user.headers) as response:
        assert response.status == 200


def test_the_front_end_may_send_its_token_and_reads_no_cookie(live: LiveServer, person: People) -> None:
    asks = {
        "Origin": FRONT,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    with live.open(method="OPTIONS", **asks) as allowed:
        assert allowed.status == 200
        assert allowed.getheader("Access-Control-Allow-Origin") == FRONT
        assert allowed.getheader("Access-Control-Allow-Credentials") == "true"
        assert "authorization" in allowed.getheader("Access-Control-Allow-Headers", "").lower()
    with live.open(method="OPTIONS", **asks | {"Origin": "https://evil.example"}) as refused:
        assert refused.status == 400
    token = person().headers["Authorization"].partition(" ")[2]
    with live.open("/live/notices", Origin=FRONT, Cookie=f"{ACCESS_COOKIE}={token}") as refused:
        assert refused.status == 403


def test_nobody_is_told_of_the_notices_of_somebody_else(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "HEARTBEAT_SECONDS", 0.3)
    camille, robin = person(), person("robin@example.org")
    write_notice(camille.id)  # before she came: she asks for it herself
    with live.listen(camille) as mine, live.listen(robin) as theirs:
        write_notice(robin.id)
        queue_redis().publish(NOTICES, b"")
        theirs.expect_notice()
        assert mine.next_line() == ":"


def test_a_transaction_that_commits_after_a_later_one_is_not_missed(
    live: LiveServer, camille: Person
) -> None:
    early = first_id_at(clock() - timedelta(seconds=30))
    with live.listen(camille) as stream:
        for key in (new_id(), early):
            write_notice(camille.id, id=key)
            queue_redis().publish(NOTICES, b"")
            stream.expect_notice()


def test_a_stream_ends_with_its_login(live: LiveServer, person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    with live.listen(camille) as mine, live.listen(robin) as theirs:
        end_login(camille)
        while mine.response.readline():
            pass
        write_notice(robin.id)
        queue_redis().publish(NOTICES, b"")
        theirs.expect_notice()
    with live.open(**camille.headers) as refused:
        assert refused.status == 401


def test_only_an_access_token_of_ours_opens_a_stream(live: LiveServer, camille: Person, app: Flask) -> None:
    good = camille.headers["Authorization"].removeprefix("Bearer ")
    with app.app_context():
        others = [
            create_access_token(str(camille.id)),
            create_refresh_token(str(camille.id)),
            create_access_token(str(uuid4()), additional_claims={"login": str(uuid4()), "ver": 0}),
            create_access_token(str(camille.id), additional_claims={"login": "x", "ver": "y"}),
        ]
    for token in (*others, "", "x", good[:-3], good * 20, "a.b.c"):
        with live.open(Authorization=f"Bearer {token}") as refused:
            assert refused.status == 401, token
    with live.open(Cookie=f"__Host-access={good}") as refused:
        assert refused.status == 401  # the API reads no cookie
    with live.open("/live/notices", Authorization=f"Bearer {good}") as refused:
        assert refused.status == 401  # and pages have no header


def test_every_other_origin_is_refused(live: LiveServer, person: People) -> None:
    token = person().headers["Authorization"].removeprefix("Bearer ")
    given = {"Cookie": f"__Host-access={token}", "Authorization": f"Bearer {token}"}
    for path, origin in (("/live/notices", f"{API}.evil.example"), ("/api/notices/stream", "null")):
        with live.open(path, Origin=origin, **given) as refused:
            assert refused.status == 403
            assert refused.getheader("Access-Control-Allow-Origin") is None


def test_a_page_of_ours_opens_a_stream_by_its_cookie(live: LiveServer, camille: Person) -> None:
    cookie = f"__Host-access={camille.headers['Authorization'].removeprefix('Bearer ')}"
    with live.open("/live/notices", Origin=API, Cookie=cookie) as response:
        assert response.status == 200
        assert response.getheader("Access-Control-Allow-Origin") == API
        assert response.getheader("Access-Control-Allow-Credentials") == "true"
        assert response.getheader("Cache-Control") == "no-store"
        stream = Stream(response)
        stream.greet()
        write_notice(camille.id)
        queue_redis().publish(NOTICES, b"")
        stream.expect_notice()
    with live.open("/live/notices", Cookie=cookie, Sec_Fetch_Site="cross-site") as refused:
        assert refused.status == 403  # as an image would ask, without an Origin
    with live.open("/live/notices", Cookie=cookie, Sec_Fetch_Site="same-origin") as response:
        assert response.status == 200


def test_the_program_reports_how_many_streams_it_has(
    redis_server: Redis, live: LiveServer, person: People
) -> None:
    def count() -> int | None:
        report = read_report(redis_server, STREAM)
        return report.streams if report else None

    camille = person()
    with live.listen(camille), live.listen(camille):
        until(lambda: count() == 2)
    until(lambda: count() == 0)
    assert 0 < redis_server.ttl(STREAM) <= FRESH.total_seconds()


def test_streams_are_bounded_by_person_and_by_address(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_hub, "_PER_PERSON", 1)
    monkeypatch.setattr(notice_hub, "_PER_ADDRESS", 2)
    camille, robin, alex = person(), person("robin@example.org"), person("alex@example.org")
    with live.listen(camille):
        with live.open(**camille.headers) as refused:
            assert (refused.status, refused.getheader("Retry-After")) == (429, "30")
        with live.listen(robin), live.open(Origin=FRONT, **alex.headers) as refused:
            assert (refused.status, refused.getheader("Access-Control-Allow-Origin")) == (429, FRONT)
    for _ in range(500):  # the server learns in a moment that they left
        with live.open(**camille.headers) as response:
            if response.status == 200:
                break
    assert response.status == 200


def test_all_addresses_of_a_subscriber_of_ipv6_have_one_bound(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    settings_env(PROXY_HOPS="1")
    monkeypatch.setattr(notice_hub, "_PER_ADDRESS", 1)
    camille, robin, alex = person(), person("robin@example.org"), person("alex@example.org")
    one, same, other = ({"X-Forwarded-For": f"2001:db8:5:{each}"} for each in ("7::1", "7:8:9::2", "8::1"))
    with live.open(**camille.headers, **one), live.open(**robin.headers, **same) as refused:
        assert refused.status == 429
        with live.open(**alex.headers, **other) as response:
            assert response.status == 200


@pytest.mark.parametrize("error", [DatabaseAway, ValueError])
def test_while_the_database_is_away_clients_are_told_to_come_back_and_then_streams_go_on(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    failed = threading.Event()

    def fail(*_: object) -> None:
        failed.set()
        raise error

    monkeypatch.setattr(notice_hub, "_AGAIN_SECONDS", 0.01)
    camille = person()
    with live.listen(camille) as stream:
        with monkeypatch.context() as patch:
            patch.setattr(Reader, "read_logins", fail)
            assert failed.wait(10)
            if error is DatabaseAway:
                with live.open(**camille.headers) as refused:
                    assert (refused.status, refused.getheader("Retry-After")) == (503, "30")
        write_notice(camille.id)
        queue_redis().publish(NOTICES, b"")
        stream.expect_notice()
        end_login(camille)
        while stream.response.readline():
            pass


def test_a_clock_that_was_moved_ahead_hides_nothing(live: LiveServer, person: People) -> None:
    camille = person()
    with override_clock(lambda: datetime.now(UTC) + timedelta(hours=9)), live.listen(camille) as stream:
        write_notice(camille.id)
        queue_redis().publish(NOTICES, b"")
        stream.expect_notice()


def test_open_streams_miss_nothing_of_a_time_in_which_the_table_could_not_be_read(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*_: object) -> None:
        failed.set()
        raise DatabaseAway

    monkeypatch.setattr(notice_hub, "_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(notice_hub, "POLL_SECONDS", 0.05)
    camille = person()
    with live.listen(camille) as stream:
        with monkeypatch.context() as patch:
            patch.setattr(Reader, "read_logins", fail)
            write_notice(camille.id)
            assert failed.wait(10)
            patch.setattr(notice_hub, "_OVERLAP", timedelta(0))  # as if it had lasted for longer than that
        stream.expect_notice()
