import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from configs.desk import Desk
from configs.settings import SettingMissing
from crawler import due
from crawler.keeper import SEEN, Keeper, wanted_processes
from crawler.scrapyd import Scrapyd, ScrapydAway

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


class Fake:
    """A scrapyd whose spiders end when a test says so."""

    def __init__(self) -> None:
        self.running: dict[str, list[str]] = {}
        self.started = 0
        self.away = False

    def jobs(self) -> dict[str, list[str]]:
        if self.away:
            raise ScrapydAway("scrapyd at 127.0.0.1:6800 does not answer")
        return {spider: list(jobs) for spider, jobs in self.running.items() if jobs}

    def schedule(self, spider: str) -> str:
        self.started += 1
        self.running.setdefault(spider, []).append(f"job-{self.started}")
        return f"job-{self.started}"

    def cancel(self, job: str) -> None:
        for jobs in self.running.values():
            if job in jobs:
                jobs.remove(job)


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def keeper(
    fake: Fake, redis_server: redis.Redis, desk_files: Callable[..., dict[str, Desk]]
) -> Iterator[Keeper]:
    desk_files(a="127.77.0.91:8800")
    with due.connect() as client:
        yield Keeper(cast("Scrapyd", fake), client)


def word(redis_server: redis.Redis) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(redis_server.get(SEEN) or "{}")
    return found


def test_each_system_with_a_desk_to_check_gets_its_processes(
    keeper: Keeper, fake: Fake, settings_env: Callable[..., None]
) -> None:
    settings_env(SPIDER_PROCESSES="2")
    keeper.look(NOW)
    keeper.look(NOW + timedelta(seconds=2))
    assert fake.running == {"prefenligne": ["job-1", "job-2"]}


def test_a_system_without_such_a_desk_gets_none_and_its_spiders_end(
    keeper: Keeper, fake: Fake, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    keeper.look(NOW)
    desk_files(grade="stale", a="127.77.0.91:8800")
    assert wanted_processes() == {}
    keeper.look(NOW)
    assert fake.running == {"prefenligne": []}


def test_a_spider_that_vanished_is_replaced_and_one_too_many_ends(keeper: Keeper, fake: Fake) -> None:
    keeper.look(NOW)
    fake.running = {}
    keeper.look(NOW + timedelta(minutes=5))
    assert fake.running == {"prefenligne": ["job-2"]}
    fake.running = {"prefenligne": ["job-2", "by-hand"]}
    keeper.look(NOW + timedelta(minutes=6))
    assert fake.running == {"prefenligne": ["job-2"]}


def test_a_spider_that_ends_again_and_again_is_started_ever_later(keeper: Keeper, fake: Fake) -> None:
    starts = []
    for second in range(600):
        before = fake.started
        keeper.look(NOW + timedelta(seconds=second))
        if fake.started > before:
            starts.append(second)
        fake.running = {}
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert gaps[:5] == [2, 4, 8, 16, 32]
    assert set(gaps[5:]) == {60}


def test_the_keeper_leaves_word_for_health(keeper: Keeper, fake: Fake, redis_server: redis.Redis) -> None:
    keeper.look(NOW)
    assert word(redis_server)["running"] == {}
    keeper.look(NOW)
    assert word(redis_server) == {
        "at": NOW.isoformat(), "scrapyd": "ok", "running": {"prefenligne": 1}, "wanted": {"prefenligne": 1},
    }  # fmt: skip
    assert 0 < redis_server.ttl(SEEN) <= 60


def test_a_scrapyd_that_is_away_is_said_once_and_told_to_health(
    keeper: Keeper, fake: Fake, redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fake.away = True
    keeper.look(NOW)
    keeper.look(NOW)
    assert word(redis_server)["scrapyd"] == "down"
    fake.away = False
    keeper.look(NOW)
    assert [record.levelname for record in caplog.records if "does not answer" in record.message] == [
        "WARNING",
        "INFO",
    ]
    assert word(redis_server)["scrapyd"] == "ok"


def test_a_redis_that_is_away_stops_no_spider_and_is_said_once(
    keeper: Keeper, fake: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError("connection refused")

    caplog.set_level(logging.INFO, "crawler.keeper")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(keeper._client, "set", away)
        for _ in range(3):
            keeper.look(NOW)
    assert fake.running == {"prefenligne": ["job-1"]}
    assert [text for text in caplog.messages if "Redis" in text] == [
        "Redis is away, /api/health cannot see the keeper: connection refused"
    ]
    keeper.look(NOW)
    assert caplog.messages[-1].startswith("over: Redis is away")


def test_the_loop_ends_when_it_is_told(keeper: Keeper, fake: Fake, settings_env: Callable[..., None]) -> None:
    settings_env(KEEPER_SECONDS="0.001")
    stop = threading.Event()
    looks: list[datetime] = []

    def look(now: datetime) -> None:
        looks.append(now)
        if len(looks) == 3:
            stop.set()

    keeper.look = look  # type: ignore[method-assign]
    keeper.run(stop)
    assert len(looks) == 3


class Server(BaseHTTPRequestHandler):
    """Answers what a test put there; remembers what it was asked."""

    answer: ClassVar[tuple[int, str]] = (200, "{}")
    asked: ClassVar[list[tuple[str, str, dict[str, list[str]], str | None]]] = []

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = url.query or self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.asked.append((self.command, url.path, parse_qs(body), self.headers.get("Authorization")))
        self.send_response(self.answer[0])
        self.end_headers()
        self.wfile.write(self.answer[1].encode())

    do_POST = do_GET  # noqa: N815 -- the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """Say nothing."""


@pytest.fixture
def scrapyd(settings_env: Callable[..., None]) -> Iterator[Scrapyd]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    Server.asked.clear()
    settings_env(SCRAPYD_URL=f"http://127.0.0.1:{server.server_port}", SCRAPYD_PASSWORD="p:ss")
    yield Scrapyd.from_settings()
    server.shutdown()
    thread.join()
    server.server_close()


def says(**answer: Any) -> None:
    Server.answer = (200, json.dumps({"status": "ok", **answer}))


def test_jobs_that_run_or_wait_are_listed_by_spider_oldest_first(scrapyd: Scrapyd) -> None:
    def job(job_id: str, spider: str, start: str) -> dict[str, str]:
        return {"id": job_id, "spider": spider, "start_time": start}

    running = [job("2", "ants", "2026-11-20 09:00:01"), job("1", "ants", "2026-11-20 09:00:00")]
    says(running=running, pending=[{"id": "3", "spider": "custom"}], finished=[])
    assert scrapyd.jobs() == {"ants": ["1", "2"], "custom": ["3"]}
    basic = "Basic c2NyYXB5ZDpwOnNz"  # scrapyd:p:ss
    assert Server.asked == [("GET", "/listjobs.json", {"project": ["rdvpriority"]}, basic)]


def test_a_spider_is_scheduled_and_a_job_cancelled(scrapyd: Scrapyd) -> None:
    says(jobid="7")
    assert scrapyd.schedule("ants") == "7"
    scrapyd.cancel("7")
    assert [(method, path, values) for method, path, values, _ in Server.asked] == [
        ("POST", "/schedule.json", {"project": ["rdvpriority"], "spider": ["ants"]}),
        ("POST", "/cancel.json", {"project": ["rdvpriority"], "job": ["7"]}),
    ]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, "Unauthorized", "check SCRAPYD_USERNAME and SCRAPYD_PASSWORD"),
        (502, "<h1>Bad gateway</h1>", "answered 502 to schedule.json with no JSON"),
        (200, "[]", "with no JSON"),
        (
            200,
            json.dumps({"status": "error", "message": "spider 'ants' not found"}),
            "spider 'ants' not found",
        ),
    ],
)
def test_what_is_no_yes_says_what_to_do(status: int, body: str, said: str, scrapyd: Scrapyd) -> None:
    Server.answer = (status, body)
    with pytest.raises(ScrapydAway, match=said):
        scrapyd.schedule("ants")


def test_a_scrapyd_that_is_not_there_is_named() -> None:
    with pytest.raises(ScrapydAway, match=r"scrapyd at 127\.0\.0\.1:1 does not answer"):
        Scrapyd("127.0.0.1", 1, "scrapyd", "x").jobs()


def test_the_password_is_needed(settings_env: Callable[..., None]) -> None:
    settings_env(SCRAPYD_PASSWORD="")
    with pytest.raises(SettingMissing, match="SCRAPYD_PASSWORD"):
        Scrapyd.from_settings()
