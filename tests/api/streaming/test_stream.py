"""Live notices: who may open a stream, what it has, and when it ends. A server of its own, on a real port."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.client import HTTPConnection, HTTPResponse
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import uvicorn
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token, create_refresh_token

from api import stream as program
from api.models.base import session
from api.models.login import EndedBecause, Login
from api.paging import first_id_at
from api.streaming import bounds, hub, notice_reads
from api.streaming.database import DatabaseAway, ReadPool
from configs.clock import clock
from configs.live_nudges import nudge_streams
from tests.api.notices.test_routes import write_notice
from tests.api.world import Person

People = Callable[..., Person]
API = "http://localhost:4000"
FRONT = "https://front.example"


class Stream:
    """An open stream."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response
        self.data: dict[str, str] = {}  # of the last notice

    def next_line(self) -> str:
        return self.response.readline().decode().rstrip("\n")

    def next_notice(self) -> tuple[str, str]:
        """Return id and title of the next notice."""
        found: dict[str, str] = {}
        while "data" not in found:
            name, _, value = self.next_line().partition(": ")
            found |= {name: value}
        assert found["event"] == "notice"
        self.data = json.loads(found["data"])
        assert self.data["id"] == found["id"]
        return found["id"], self.data["title"]


class LiveServer:
    """The program on a port of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    @contextmanager
    def open(self, path: str = "/api/notices/stream", **headers: str) -> Iterator[HTTPResponse]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers=named)
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
            assert stream.next_line() == "retry: 2000"
            yield stream


@pytest.fixture
def live(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveServer]:
    monkeypatch.setattr(hub, "_CHECK_SECONDS", 0.1)
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


def test_a_new_notice_arrives_at_once(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", 60)
    camille = person()
    with live.listen(camille) as stream:
        for title in ("Un", "Deux"):
            key = write_notice(camille.id, title)
            nudge_streams()
            assert stream.next_notice() == (str(key), title)


def test_an_event_has_what_the_list_has(live: LiveServer, person: People, client: FlaskClient) -> None:
    camille = person()
    last = write_notice(camille.id, id=first_id_at(clock() - timedelta(hours=1)))
    body = "« Essonne »\n\nligne\r\n\u2028 data: x"
    write_notice(camille.id, "<b>🏛", body=body, read_at=clock(), detection_id=uuid4(), link=None)
    shown = client.get("/api/notices", headers=camille.headers).get_json()["items"][0]
    with live.listen(camille, Last_Event_ID=str(last)) as stream:
        stream.next_notice()
        assert stream.data == shown


def test_without_redis_the_table_is_read_all_the_same(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", 0.2)
    camille = person()
    with live.listen(camille) as stream:
        key = write_notice(camille.id, "Un")
        assert stream.next_notice() == (str(key), "Un")


def test_nobody_gets_the_notices_of_somebody_else(live: LiveServer, person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    with live.listen(camille) as mine, live.listen(robin) as theirs:
        write_notice(robin.id, "Robin")
        write_notice(camille.id, "Camille")
        nudge_streams()
        assert mine.next_notice()[1] == "Camille"
        assert theirs.next_notice()[1] == "Robin"


@pytest.mark.parametrize("by_header", [True, False])
def test_who_was_away_for_an_hour_misses_nothing(
    live: LiveServer, person: People, *, by_header: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MOST", 2)  # several reads
    monkeypatch.setattr(notice_reads, "MOST", 2)
    camille, hour = person(), clock() - timedelta(hours=1)
    had = write_notice(camille.id, "had", id=first_id_at(hour - timedelta(minutes=10)))
    last = write_notice(camille.id, "last", id=first_id_at(hour))
    missed = [
        write_notice(camille.id, str(n), id=UUID(int=first_id_at(hour + timedelta(minutes=n)).int + n))
        for n in range(1, 6)
    ]
    path, headers = "/api/notices/stream", {"Last_Event_ID": str(last)}
    if not by_header:
        path, headers = f"{path}?after={last}", {}
    with live.listen(camille, path, **headers) as stream:
        found = [stream.next_notice()[0] for _ in missed]
        assert found == [str(each) for each in missed]
        assert str(had) not in found
        later = write_notice(camille.id, "later")
        nudge_streams()
        assert stream.next_notice()[0] == str(later)


def test_a_transaction_that_commits_after_a_later_one_is_not_missed(live: LiveServer, person: People) -> None:
    camille = person()
    early = first_id_at(clock() - timedelta(seconds=30))
    with live.listen(camille) as stream:
        write_notice(camille.id, "late id")
        nudge_streams()
        assert stream.next_notice()[1] == "late id"
        write_notice(camille.id, "early id", id=early)
        nudge_streams()
        assert stream.next_notice()[1] == "early id"


def test_a_stream_ends_with_its_login(live: LiveServer, person: People) -> None:
    camille, robin = person(), person("robin@example.org")
    with live.listen(camille) as mine, live.listen(robin) as theirs:
        with session() as s:
            s.execute(
                sa.update(Login)
                .where(Login.user_id == camille.id)
                .values(ended_at=clock(), ended_because=EndedBecause.LOGGED_OUT)
            )
        while mine.response.readline():
            pass
        write_notice(robin.id, "Robin")
        nudge_streams()
        assert theirs.next_notice()[1] == "Robin"
    with live.open(**camille.headers) as refused:
        assert refused.status == 401


def test_silence_is_filled_with_comments(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(program, "HEARTBEAT_SECONDS", 0.05)
    with live.listen(person()) as stream:
        assert [stream.next_line() for _ in range(5)] == ["", ":", "", ":", ""]


def test_only_an_access_token_of_ours_opens_a_stream(live: LiveServer, person: People, app: Flask) -> None:
    camille = person()
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


@pytest.mark.parametrize("path", ["/live/notices", "/api/notices/stream"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:4001", "http://localhost:4000.evil.example"]
)
def test_every_other_origin_is_refused(live: LiveServer, person: People, path: str, origin: str) -> None:
    token = person().headers["Authorization"].removeprefix("Bearer ")
    with live.open(
        path, Origin=origin, Cookie=f"__Host-access={token}", Authorization=f"Bearer {token}"
    ) as refused:
        assert refused.status == 403
        assert refused.getheader("Access-Control-Allow-Origin") is None


def test_a_page_of_ours_opens_a_stream_by_its_cookie(live: LiveServer, person: People) -> None:
    camille = person()
    cookie = f"__Host-access={camille.headers['Authorization'].removeprefix('Bearer ')}"
    with live.open("/live/notices", Origin=API, Cookie=cookie) as response:
        assert response.status == 200
        assert response.getheader("Access-Control-Allow-Origin") == API
        assert response.getheader("Access-Control-Allow-Credentials") == "true"
        assert response.getheader("Cache-Control") == "no-store"
        stream = Stream(response)
        assert stream.next_line() == "retry: 2000"
        key = write_notice(camille.id)
        nudge_streams()
        assert stream.next_notice()[0] == str(key)
    with live.open("/live/notices", Cookie=cookie, Sec_Fetch_Site="cross-site") as refused:
        assert refused.status == 403  # as an image would ask, without an Origin
    with live.open("/live/notices", Cookie=cookie, Sec_Fetch_Site="same-origin") as response:
        assert response.status == 200


def test_streams_are_bounded_by_person_and_by_address(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_PER_PERSON", 1)
    monkeypatch.setattr(bounds, "_PER_ADDRESS", 2)
    camille, robin, alex = person(), person("robin@example.org"), person("alex@example.org")
    with live.listen(camille):
        with live.open(**camille.headers) as refused:
            assert (refused.status, refused.getheader("Retry-After")) == (429, "30")
        with live.listen(robin), live.open(**alex.headers) as refused:
            assert refused.status == 429
    for _ in range(500):  # the server learns in a moment that they left
        with live.open(**camille.headers) as response:
            if response.status == 200:
                break
    assert response.status == 200


def test_while_the_database_is_away_clients_are_told_to_come_back(
    live: LiveServer, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseAway

    camille = person()
    with live.listen(camille) as stream:
        with monkeypatch.context() as patch:
            patch.setattr(ReadPool, "fetch", fail)
            with live.open(**camille.headers) as refused:
                assert (refused.status, refused.getheader("Retry-After")) == (503, "30")
        key = write_notice(camille.id)
        nudge_streams()
        assert stream.next_notice()[0] == str(key)
