import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import redis

from configs.world.desk import Desk
from crawler.discovery.daily_schedule import Daily
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import CrawlQueue
from crawler.spider_processes.keeper import SEEN, Keeper, wanted_processes
from crawler.spider_processes.scrapyd_client import Scrapyd, ScrapydAway

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SYSTEM = "prefenligne"


class Fake:
    """A scrapyd whose spiders end when a test says so."""

    def __init__(self, address: str = "127.0.0.1:6800", job: str = "job") -> None:
        self.address, self.job = address, job
        self.running: dict[str, list[str]] = {}
        self.started = 0
        self.away = self.gone = False

    def count_jobs(self) -> dict[str, int]:
        if self.away:
            raise ScrapydAway(f"scrapyd at {self.address} does not answer")
        return {spider: len(jobs) for spider, jobs in self.running.items() if jobs}

    def schedule(self, queue: CrawlQueue) -> str:
        self.started += 1
        self.running.setdefault(str(queue), []).append(f"{self.job}-{self.started}")
        return f"{self.job}-{self.started}"


@pytest.fixture(autouse=True)
def _warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


@pytest.fixture
def fake(redis_server: redis.Redis) -> Fake:
    return Fake()


@pytest.fixture
def make(
    fake: Fake,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
) -> Iterator[Callable[[], Keeper]]:
    desk_files(a="127.77.0.91:8800")
    with due_queue.connect() as client:
        yield lambda: Keeper(lambda: [cast("Scrapyd", fake)], client)


@pytest.fixture
def kept(make: Callable[[], Keeper]) -> Keeper:
    return make()


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def watch(kept: Keeper, begin: int, end: int) -> None:
    """Look as often as the loop does."""
    for second in range(begin, end + 1, 2):
        kept.run_once(after(second))


def word(redis_server: redis.Redis) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(redis_server.get(SEEN) or "{}")
    return found


def test_each_system_with_a_desk_to_check_gets_its_processes(
    kept: Keeper, fake: Fake, settings_env: Callable[..., None]
) -> None:
    settings_env(SPIDER_PROCESSES="2")
    kept.run_once(NOW)
    kept.run_once(after(2))
    assert fake.running == {SYSTEM: ["job-1", "job-2"]}


def test_a_system_without_such_a_desk_gets_none(
    kept: Keeper, fake: Fake, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    desk_files(grade="retired", a="127.77.0.91:8800")
    assert wanted_processes() == {}
    kept.run_once(NOW)
    assert fake.running == {}


def test_a_spider_that_ended_is_followed_at_once_and_one_too_many_may_end_by_itself(
    kept: Keeper, fake: Fake, redis_server: redis.Redis
) -> None:
    kept.run_once(NOW)
    fake.running = {}
    kept.run_once(after(300))
    assert fake.running == {SYSTEM: ["job-2"]}
    fake.running = {SYSTEM: ["job-2", "by-hand"]}
    kept.run_once(after(302))
    assert (fake.running, fake.started) == ({SYSTEM: ["job-2", "by-hand"]}, 2)
    assert word(redis_server)["missing"] == {}


def test_a_spider_that_ends_again_and_again_is_started_once_in_ten_seconds(kept: Keeper, fake: Fake) -> None:
    for second in range(60):
        fake.running = {}
        kept.run_once(after(second))
    assert fake.started == 6


def test_a_clock_that_was_set_back_keeps_no_spider_from_its_start(kept: Keeper, fake: Fake) -> None:
    kept.run_once(after(3600))
    fake.running = {}
    kept.run_once(NOW)
    assert fake.running == {SYSTEM: ["job-2"]}


@pytest.mark.rule("3.6")
def test_a_look_holds_no_database_and_needs_none(
    kept: Keeper, fake: Fake, settings_env: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    settings_env(DATABASE_URL="postgresql://a:b@127.0.0.1:1/none", DISCOVERY="true")
    watch(kept, 0, 2)
    assert fake.running == {SYSTEM: ["job-1"]}
    assert "no walk of the prefectures' sites is started" in caplog.text


def test_two_keepers_agree_on_what_runs(make: Callable[[], Keeper], fake: Fake) -> None:
    one, other = make(), make()
    seen = fake.count_jobs()
    one.run_once(NOW)
    with pytest.MonkeyPatch.context() as both:  # the other one looked at the same moment
        both.setattr(fake, "count_jobs", lambda: dict(seen))
        other.run_once(NOW)
    for second in range(2, 60, 2):
        for each in (one, other):
            each.run_once(after(second))
    assert (fake.running, fake.started) == ({SYSTEM: ["job-1", "job-2"]}, 2)


def test_the_keeper_leaves_word_for_health(kept: Keeper, fake: Fake, redis_server: redis.Redis) -> None:
    kept.run_once(NOW)
    assert word(redis_server) == {
        "at": NOW.isoformat(), "scrapyd": "ok", "running": {SYSTEM: 1}, "wanted": {SYSTEM: 1},
        "away": [], "missing": {},
    }  # fmt: skip
    assert 0 < redis_server.ttl(SEEN) <= 60
    fake.running = {}
    kept.run_once(after(5))  # it ended as it began
    assert word(redis_server)["missing"] == {SYSTEM: 1}


def test_a_scrapyd_that_is_away_is_said_once_and_told_to_health(
    kept: Keeper, fake: Fake, redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fake.away = True
    kept.run_once(NOW)
    kept.run_once(NOW)
    assert word(redis_server)["scrapyd"] == "down"
    fake.away = False
    kept.run_once(NOW)
    assert [record.levelname for record in caplog.records if "does not answer" in record.message] == [
        "WARNING",
        "INFO",
    ]
    assert word(redis_server)["scrapyd"] == "ok"


def test_while_redis_is_away_what_is_missing_is_started(
    kept: Keeper, fake: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError("connection refused")

    caplog.set_level(logging.INFO, "crawler.spider_processes.keeper")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(kept._client, "execute_command", away)
        watch(kept, 0, 20)
        fake.running = {}
        watch(kept, 22, 24)
        assert fake.running == {SYSTEM: ["job-2"]}
    kept.run_once(after(26))
    said = "Redis is away, health hears nothing of the spiders: connection refused"
    assert [text for text in caplog.messages if "Redis" in text] == [said, f"over: {said}"]


def test_a_walk_of_the_prefectures_sites_is_no_booking_systems_and_ends_by_itself(
    kept: Keeper, fake: Fake
) -> None:
    fake.running["discovery"] = ["job-of-the-day"]
    for seconds in (0, 2, 600, 90000):
        kept.run_once(after(seconds))
    assert fake.running["discovery"] == ["job-of-the-day"]


@pytest.fixture
def two(
    make: Callable[[], Keeper], fake: Fake, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Iterator[tuple[Keeper, Fake, Fake]]:
    """A keeper of two machines' scrapyds; one that is `gone` has no address. `make` sets the desks."""
    settings_env(SCRAPYD_REPLICAS="2")
    second = Fake("10.0.0.2:6800", "b")
    with due_queue.connect() as client:

        def find() -> list[Scrapyd]:
            return [cast("Scrapyd", each) for each in (fake, second) if not each.gone]

        yield Keeper(find, client), fake, second


@pytest.mark.parametrize(
    ("away", "said"),
    [
        ([0], {"scrapyd": "ok", "running": {SYSTEM: 1}, "wanted": {SYSTEM: 1}, "away": ["127.0.0.1:6800"]}),
        ([1], {"scrapyd": "ok", "running": {SYSTEM: 1}, "wanted": {SYSTEM: 1}, "away": ["10.0.0.2:6800"]}),
        ([0, 1], {"scrapyd": "down", "running": {}, "wanted": {SYSTEM: 2}, "away": []}),
    ],
)
def test_a_scrapyd_that_is_away_is_named_and_the_other_one_served(
    two: tuple[Keeper, Fake, Fake], redis_server: redis.Redis, away: list[int], said: dict[str, Any]
) -> None:
    kept, *scrapyds = two
    for number in away:
        scrapyds[number].away = True
    for second in (0, 2):
        kept.run_once(after(second))
    assert word(redis_server) == {"at": after(2).isoformat(), "missing": {}, **said}
    assert [each.started for each in scrapyds] == [int(number not in away) for number in (0, 1)]
    for each in scrapyds:
        each.away = False
    for second in (4, 6):
        kept.run_once(after(second))
    assert word(redis_server)["running"] == {SYSTEM: 2}
    assert [each.started for each in scrapyds] == [1, 1]


@pytest.mark.rule("3.12")
def test_whatever_ails_the_decision_on_the_walk_no_spider_waits_for_it(
    kept: Keeper, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Daily, __: datetime) -> bool:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Daily, "is_due", fail)
    for second in (0, 20):
        with suppress(RuntimeError):  # the planner tells health
            kept.run_once(after(second))
        assert fake.running.pop(SYSTEM) == [f"job-{fake.started}"]


def test_a_walk_that_is_due_is_one_process_of_the_first_scrapyd_that_serves(
    two: tuple[Keeper, Fake, Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, first, second = two
    monkeypatch.setattr(Daily, "is_due", lambda *_: True)
    first.away = True
    watch(kept, 0, 20)
    assert (first.running, len(second.running["discovery"])) == ({}, 1)
    first.away = False
    watch(kept, 22, 60)
    assert [len(each.running.get("discovery", ())) for each in (first, second)] == [0, 1]
    second.running["discovery"].clear()  # it died in the middle
    watch(kept, 62, 80)
    assert [len(each.running.get("discovery", ())) for each in (first, second)] == [1, 0]


def test_a_scrapyd_that_has_no_address_any_more_is_missed_by_its_number_and_served_again_when_it_is_back(
    two: tuple[Keeper, Fake, Fake], redis_server: redis.Redis
) -> None:
    kept, _, second = two
    watch(kept, 0, 4)
    second.gone = True
    watch(kept, 6, 8)
    assert word(redis_server)["away"] == ["1 of 2 machines"]
    second.gone, second.running = False, {}
    watch(kept, 10, 30)
    assert (word(redis_server)["away"], [*second.running]) == ([], [SYSTEM])


def test_a_walk_goes_on_at_the_next_scrapyd_when_its_own_is_gone_and_there_is_one_at_a_time(
    two: tuple[Keeper, Fake, Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, first, second = two
    monkeypatch.setattr(Daily, "is_due", lambda *_: True)
    watch(kept, 0, 10)
    assert "discovery" in first.running
    first.gone = True
    watch(kept, 12, 30)
    assert second.running["discovery"] == ["b-2"]
    first.gone = False
    first.running.pop("discovery")
    watch(kept, 32, 60)
    assert not first.running.get("discovery")
