"""The reads of the benchmark: its load generator, its rows, and the statements that it finds slow."""

import asyncio
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, repeat
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.alert import Alert
from api.models.base import engine, session
from api.models.notification import Match, Notification
from api.models.slot import Detection
from api.models.user import User
from configs.settings import PREFECTURES
from deploy.bench.open_loop import LoadGenerator, Reply, build_request
from deploy.bench.read_data import ReadData
from deploy.bench.statement_log import LoggedStatement, explain, read_slowest

LOG = """\
2026-11-21 19:00:00.123 UTC [7] LOG:  duration: {0} ms  statement: SELECT a
\tFROM b WHERE id = 'x{0}'::uuid AND n IN (1, 2, {1})
2026-11-21 19:00:00.124 UTC [7] LOG:  duration: 99.0 ms  statement: UPDATE b SET n = 1
2026-11-21 19:00:00.125 UTC [8] LOG:  duration: 0.100 ms  statement: SELECT 1
"""


def run(answer: Callable[[int], float], act: Callable[[LoadGenerator], Any]) -> list[Reply]:
    """Serve a body of the request's number, each after so many seconds, while `act` runs."""
    numbers = count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = next(numbers)
            time.sleep(answer(number))
            body = str(number).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    async def all_of_it(port: int) -> list[Reply]:
        load = LoadGenerator(port)
        try:
            found: list[Reply] = await act(load)
            return found
        finally:
            await load.close()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            return asyncio.run(all_of_it(server.server_port))
        finally:
            server.shutdown()
            thread.join()


REQUEST = build_request("/", address="10.0.0.1")


def test_a_server_that_stalls_holds_no_request_back() -> None:
    begun: list[float] = []

    def stall(_: int) -> float:
        begun.append(time.monotonic())
        return 0.4

    replies = run(stall, lambda load: load.run_open(repeat(REQUEST), 100, 0.2))
    assert {reply.status for reply in replies} == {200}
    assert len(replies) == 20
    assert begun[-1] - begun[0] < 0.4  # all were asked before the first was answered
    assert min(reply.seconds for reply in replies) >= 0.4


def test_a_closed_loop_waits_for_each_answer() -> None:
    replies = run(lambda _: 0, lambda load: load.run_closed(repeat(REQUEST), 2, 0.1))
    assert sorted(int(reply.body) for reply in replies) == list(range(1, len(replies) + 1))


def test_each_of_some_requests_is_sent_once() -> None:
    replies = run(lambda _: 0, lambda load: load.run_all([REQUEST] * 5, 2))
    assert sorted(int(reply.body) for reply in replies) == [1, 2, 3, 4, 5]


def test_a_server_that_is_not_there_fails_the_request() -> None:
    reply = asyncio.run(LoadGenerator(1).ask(REQUEST, time.monotonic()))
    assert reply.status == 0


def test_a_request_carries_token_address_and_body() -> None:
    made = build_request("/x", address="10.0.0.1", token="t", body=b"{}", headers={"A": "b"}).decode()
    assert made.startswith("POST /x HTTP/1.1\r\n")
    assert made.endswith("Content-Length: 2\r\n\r\n{}")
    assert "X-Forwarded-For: 10.0.0.1\r\nA: b\r\nAuthorization: Bearer t\r\n" in made


def test_the_rows_are_what_was_asked_for(database: str, settings_env: Callable[..., None]) -> None:
    settings_env(PREFECTURES_DIR=PREFECTURES)
    data = ReadData(people=30, detections=5_000)
    data.write(engine(), "a hash")
    tables: dict[Any, int] = {User: 30, Alert: 530, Detection: 5_000}
    with session() as s:
        assert {table: s.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables} == tables
        busy = s.scalars(sa.select(User.id).where(User.email == data.busy)).one()
        own = sa.select(sa.func.count()).select_from(Match).join(Alert)
        open_ones = Alert.user_id == busy, Alert.closed_at.is_(None)
        assert (s.scalar(own.where(*open_ones)) or 0) >= 4_990
        assert s.scalar(sa.select(sa.func.count()).where(Notification.user_id == busy)) == s.scalar(
            own.where(Alert.user_id == busy)
        )
        assert s.scalar(sa.select(sa.func.count()).select_from(Match)) == s.scalar(
            sa.select(sa.func.count()).select_from(Notification)
        )


def test_the_slowest_queries_are_found_whatever_their_values(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(LOG.format(f"{n}.5", n) for n in range(1, 41)))
    first, second = read_slowest(log, 5)
    assert (len(first.milliseconds), first.p95) == (40, 39.5)
    assert first.slowest == "SELECT a\nFROM b WHERE id = 'x40.5'::uuid AND n IN (1, 2, 40)"
    assert second.slowest == "SELECT 1"


@pytest.mark.usefixtures("database")
def test_a_logged_query_is_explained_as_it_was() -> None:
    query = "SELECT 1 FROM users WHERE email LIKE 'x%'"
    for logged in (
        LoggedStatement((1.0,), query),
        LoggedStatement((1.0,), "EXECUTE read_0 (1)", f"PREPARE read_0 AS {query} OR 1 = $1"),
    ):
        assert "Seq Scan on users" in explain(engine(), logged)


@pytest.mark.usefixtures("database")
def test_a_prepared_query_is_found_in_the_log_by_its_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    entry = (
        "2026-11-22 01:02:03 UTC [1] LOG:  duration: {0}.5 ms  statement: EXECUTE read_1 ('x{0}')\n"
        "2026-11-22 01:02:03 UTC [1] DETAIL:  prepare: PREPARE read_1 AS SELECT a\n\tFROM b WHERE c = $1\n"
    )
    log.write_text("".join(entry.format(n) for n in range(1, 41)))
    (found,) = read_slowest(log, 5)
    assert (len(found.milliseconds), found.slowest) == (40, "EXECUTE read_1 ('x40')")
    assert found.prepared == "PREPARE read_1 AS SELECT a\nFROM b WHERE c = $1"
