import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
import redis

from configs.desk import Desk
from configs.file_watch import FileWatch
from crawler import keeper
from crawler.keeper import SEEN, Keeper, wanted_processes
from crawler.scheduling import due_queue
from crawler.scheduling.queues import CrawlQueue
from crawler.spider_processes import registry
from crawler.spider_processes.scrapyd_client import Jobs, Scrapyd, ScrapydAway

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SYSTEM = "prefenligne"


class Fake:
    """A scrapyd whose spiders end when a test says so; a test may change their registry entries."""

    def __init__(self, client: redis.Redis, address: str = "127.0.0.1:6800", job: str = "job") -> None:
        self.client, self.address, self.job = client, address, job
        self.running: dict[str, list[str]] = {}
        self.finished: list[str] = []
        self.killed: list[str] = []
        self.started = 0
        self.away = False
        self.deaf = False
        self.version = "v1"

    def jobs(self) -> Jobs:
        if self.away:
            raise ScrapydAway(f"scrapyd at {self.address} does not answer")
        running = {spider: list(jobs) for spider, jobs in self.running.items() if jobs}
        return Jobs(running, frozenset(self.finished))

    def schedule(self, queue: CrawlQueue) -> str:
        self.started += 1
        self.running.setdefault(str(queue), []).append(f"{self.job}-{self.started}")
        return f"{self.job}-{self.started}"

    def cancel(self, job: str, *, kill: bool = False) -> None:
        if kill:
            self.killed.append(job)
        elif self.deaf:
            return
        self.end(job)

    def end(self, job: str) -> None:
        for jobs in self.running.values():
            if job in jobs:
                jobs.remove(job)
                self.finished.append(job)
        self.client.delete(f"crawler:process:{job}")

    def speak(self, job: str, at: datetime, **changes: Any) -> None:
        """Let a job's registry entry be `serving`."""
        said = replace(
            registry.current_process(SYSTEM, job, f"holder of {job}"),
            name=job, started=at, version=self.version, memory=100,
        )  # fmt: skip
        told: Any = asdict(said) | {"started": at.isoformat(), "state": "serving"} | changes
        self.client.hset(f"crawler:process:{job}", mapping=told)
        self.client.sadd(registry.NAMES, job)


@pytest.fixture(autouse=True)
def _warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


@pytest.fixture
def fake(redis_server: redis.Redis) -> Fake:
    return Fake(redis_server)


@pytest.fixture
def make(
    fake: Fake,
    redis_server: redis.Redis,
    desk_files: Callable[..., dict[str, Desk]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], Keeper]]:
    desk_files(a="127.77.0.91:8800")
    monkeypatch.setattr(keeper, "code_version", lambda: fake.version)
    with due_queue.connect() as client:
        yield lambda: Keeper([cast("Scrapyd", fake)], client)


@pytest.fixture
def kept(make: Callable[[], Keeper]) -> Keeper:
    return make()


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


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


def test_a_system_without_such_a_desk_gets_none_and_its_spiders_end(
    kept: Keeper, fake: Fake, desk_files: Callable[..., dict[str, Desk]]
) -> None:
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    desk_files(grade="stale", a="127.77.0.91:8800")
    assert wanted_processes() == {}
    kept.run_once(NOW)
    assert fake.running == {SYSTEM: []}


def test_a_spider_that_vanished_is_replaced_and_one_too_many_ends(kept: Keeper, fake: Fake) -> None:
    kept.run_once(NOW)
    fake.running = {}
    kept.run_once(after(300))
    assert fake.running == {SYSTEM: ["job-2"]}
    fake.running = {SYSTEM: ["job-2", "by-hand"]}
    fake.speak("job-2", after(300))
    fake.speak("by-hand", after(300), state="waiting")
    kept.run_once(after(360))
    assert fake.running == {SYSTEM: ["job-2"]}


def test_a_spider_that_ends_again_and_again_is_started_ever_later(kept: Keeper, fake: Fake) -> None:
    starts = []
    for second in range(600):
        before = fake.started
        kept.run_once(after(second))
        if fake.started > before:
            starts.append(second)
        fake.running = {}
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    # Each is seen to have ended one second after its start: the pauses are 0, 2, 4, 8, 16, 32, 60.
    assert gaps[:6] == [1, 3, 5, 9, 17, 33]
    assert set(gaps[6:]) == {61}


def test_newer_code_is_run_by_a_successor_before_the_old_ends(kept: Keeper, fake: Fake) -> None:
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    kept.run_once(after(60))
    fake.version = "v2"
    kept.run_once(after(61))
    kept.run_once(after(70))
    assert fake.started == 1  # a deploy may still be at work
    kept.run_once(after(72))
    assert fake.running == {SYSTEM: ["job-1", "job-2"]}
    kept.run_once(after(74))
    assert fake.running == {SYSTEM: ["job-1", "job-2"]}
    fake.speak("job-2", after(75), state="waiting")
    kept.run_once(after(76))
    assert fake.running == {SYSTEM: ["job-2"]}


def test_newer_code_is_run_although_the_clock_was_set_back(kept: Keeper, fake: Fake) -> None:
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    fake.version = "v2"
    for seconds in (1, -3600, -3580):
        kept.run_once(after(seconds))
    assert fake.running[SYSTEM] == ["job-1", "job-2"]


def test_code_that_does_not_start_takes_nothing_away(kept: Keeper, fake: Fake) -> None:
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    kept.run_once(after(50))
    fake.version = "broken"
    for second in range(60, 360, 2):
        kept.run_once(after(second))
        for job in fake.running[SYSTEM][1:]:
            fake.end(job)
    assert fake.running == {SYSTEM: ["job-1"]}
    assert 5 <= fake.started <= 11


def test_code_that_its_watch_refuses_starts_no_successor(
    fake: Fake, redis_server: redis.Redis, kept: Keeper
) -> None:
    watch = FileWatch("keeper", lambda: "wrong", lambda: fake.version, client=redis_server)
    kept._watch = watch
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    kept.run_once(after(50))
    fake.version = "broken"
    for second in range(60, 100, 2):
        kept.run_once(after(second))
    assert fake.started == 1
    watch.accepted = "broken"  # it was tried once more, and would start
    kept.run_once(after(102))
    assert fake.started == 2


BOTH = f"{SYSTEM} custom".split()


@pytest.fixture
def behind(kept: Keeper, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """Return a keeper whose two queues run old code; what they start takes as long to come up as the test says."""
    monkeypatch.setattr(keeper, "wanted_processes", lambda: dict.fromkeys(BOTH, 1))
    kept.run_once(NOW)
    for job in ("job-1", "job-2"):
        fake.speak(job, NOW)
    kept.run_once(after(150))
    fake.version = "v2"
    kept.run_once(after(151))
    return kept


def test_successors_start_together(behind: Keeper, fake: Fake) -> None:
    behind.run_once(after(161))
    assert fake.running == {"custom": ["job-1", "job-3"], SYSTEM: ["job-2", "job-4"]}


@pytest.mark.journey
def test_a_slow_machine_is_given_ever_more_time_and_ever_longer_pauses(behind: Keeper, fake: Fake) -> None:
    starts, ends = [], []
    for second in range(161, 1500):
        before = fake.started, len(fake.finished)
        fake.running[SYSTEM] = ["job-2"]
        fake.speak("job-2", NOW, version="v2")
        behind.run_once(after(second))
        starts += [second] * (fake.started - before[0])
        ends += [second] * (len(fake.finished) - before[1])
    assert fake.running["custom"][0] == "job-1"
    assert [end - start for start, end in zip(starts, ends, strict=False)] == [62, 122, 242, 302, 302]
    assert [start - end for start, end in zip(starts[1:], ends, strict=False)] == [1, 3, 5, 9, 17]


def test_replacing_that_changes_nothing_is_said_once_and_not_repeated(
    kept: Keeper, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    kept.run_once(NOW)
    for second in range(20, 200, 2):
        kept.run_once(after(second))
        for job in fake.running[SYSTEM]:
            fake.speak(job, after(second), version="what scrapyd has")
    assert fake.started == 1
    assert caplog.text.count("a restart will not help") == 1


def test_a_spider_that_hangs_gets_a_successor_is_asked_to_end_and_killed(kept: Keeper, fake: Fake) -> None:
    fake.deaf = True
    kept.run_once(NOW)
    kept.run_once(after(1))
    kept.run_once(after(61))
    assert fake.started == 1
    kept.run_once(after(62))
    assert fake.running == {SYSTEM: ["job-1", "job-2"]}
    fake.speak("job-2", after(63))
    kept.run_once(after(64))
    kept.run_once(after(93))
    assert (fake.running, fake.killed) == ({SYSTEM: ["job-1", "job-2"]}, [])
    kept.run_once(after(95))
    assert (fake.running, fake.killed) == ({SYSTEM: ["job-2"]}, ["job-1"])


def test_the_seat_of_a_spider_that_was_seen_to_die_is_freed_at_once(
    kept: Keeper, fake: Fake, redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    redis_server.set(f"crawler:lease:{SYSTEM}:0", "holder of job-1")
    kept.run_once(after(2))
    assert redis_server.exists(f"crawler:lease:{SYSTEM}:0")
    fake.finished, fake.running = ["job-1"], {}
    kept.run_once(after(4))
    assert caplog.messages == [f"{SYSTEM}: job job-1 died unexpectedly"]
    assert not redis_server.exists(f"crawler:lease:{SYSTEM}:0", "crawler:process:job-1")
    redis_server.set(f"crawler:lease:{SYSTEM}:0", "another")
    fake.speak("job-1", NOW)
    kept.run_once(after(6))
    assert redis_server.get(f"crawler:lease:{SYSTEM}:0") == b"another"


def test_a_spider_that_ended_as_it_was_asked_to_is_no_trouble(
    kept: Keeper, fake: Fake, caplog: pytest.LogCaptureFixture
) -> None:
    kept.run_once(NOW)
    fake.schedule(CrawlQueue(SYSTEM))
    for job in ("job-1", "job-2"):
        fake.speak(job, NOW)
    kept.run_once(after(2))
    assert fake.finished == ["job-2"]
    fake.speak("job-2", NOW)  # what it last said was read before scrapyd told that it had ended
    kept.run_once(after(4))
    assert caplog.messages == []


def test_of_two_keepers_one_keeps_and_the_other_takes_over_when_it_ends(
    make: Callable[[], Keeper], fake: Fake, redis_server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = make(), make()
    first.run_once(NOW)
    fake.running = {}
    for _ in range(2):
        second.run_once(after(100))
    assert fake.running == {}
    assert caplog.messages == ["another keeper has the lease, this one waits"]
    stop = threading.Event()
    stop.set()
    first.run(stop)
    second.run_once(after(100))
    assert fake.running == {SYSTEM: ["job-2"]}


def test_a_keeper_that_fell_silent_loses_its_lease(
    make: Callable[[], Keeper], fake: Fake, redis_server: redis.Redis
) -> None:
    make().run_once(NOW)
    assert 0 < redis_server.pttl("crawler:lease:keeper") <= 15_000
    redis_server.delete("crawler:lease:keeper")
    second = make()
    second.run_once(NOW)
    assert redis_server.exists("crawler:lease:keeper")
    assert fake.started == 1


def test_a_new_keeper_finishes_what_the_last_one_began(make: Callable[[], Keeper], fake: Fake) -> None:
    fake.running = {SYSTEM: ["old", "new"]}
    fake.speak("old", NOW, state="ending")
    fake.speak("new", NOW, state="waiting")
    made = make()
    made.run_once(NOW)
    fake.client.delete("crawler:process:old")
    made.run_once(after(2))
    assert (fake.running, fake.started) == ({SYSTEM: ["old", "new"]}, 0)


def test_the_keeper_leaves_word_for_health(kept: Keeper, fake: Fake, redis_server: redis.Redis) -> None:
    kept.run_once(NOW)
    assert word(redis_server)["running"] == {}
    kept.run_once(NOW)
    assert word(redis_server) == {
        "at": NOW.isoformat(), "scrapyd": "ok", "running": {SYSTEM: 1}, "wanted": {SYSTEM: 1},
    }  # fmt: skip
    assert 0 < redis_server.ttl(SEEN) <= 60


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


def test_while_redis_is_away_what_is_missing_is_started_and_nothing_ended(
    kept: Keeper, fake: Fake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError("connection refused")

    caplog.set_level(logging.INFO, "crawler.keeper")
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    with monkeypatch.context() as meanwhile:
        for method in ("execute_command", "pipeline", "register_script"):
            meanwhile.setattr(kept._client, method, away)
        for second in range(0, 200, 2):
            kept.run_once(after(second))
        assert fake.running == {SYSTEM: ["job-1"]}
        fake.running = {}
        kept.run_once(after(200))
        assert fake.running == {SYSTEM: ["job-2"]}
    assert [text for text in caplog.messages if "Redis" in text] == [
        "Redis is away, only missing spiders are started: connection refused"
    ]
    kept.run_once(after(202))
    assert caplog.messages[-1].startswith("over: Redis is away")
    kept.run_once(after(261))
    assert fake.running == {SYSTEM: ["job-2"]}  # it had no chance to speak


def test_an_emptied_redis_ends_no_spider(kept: Keeper, fake: Fake, redis_server: redis.Redis) -> None:
    kept.run_once(NOW)
    fake.speak("job-1", NOW)
    kept.run_once(after(100))
    redis_server.flushdb()
    kept.run_once(after(102))
    fake.speak("job-1", NOW)
    kept.run_once(after(104))
    assert (fake.running, fake.started) == ({SYSTEM: ["job-1"]}, 1)
    assert redis_server.exists("crawler:lease:keeper")


def test_the_loop_goes_on_after_errors_and_ends_when_it_is_told(
    kept: Keeper, settings_env: Callable[..., None]
) -> None:
    settings_env(KEEPER_SECONDS="0.001")
    stop = threading.Event()
    looks: list[datetime] = []

    def look(now: datetime) -> None:
        looks.append(now)
        if len(looks) == 3:
            stop.set()
        raise ValueError

    kept.run_once = look  # type: ignore[method-assign]
    kept.run(stop)
    assert len(looks) == 3
    assert kept.failures.names() == {"keeper": "ValueError"}


def test_a_walk_of_the_prefectures_sites_is_no_booking_systems_and_ends_by_itself(
    kept: Keeper, fake: Fake
) -> None:
    fake.running["discovery"] = ["job-of-the-day"]
    for seconds in (0, 2, 600, 90000):
        kept.run_once(after(seconds))
    assert fake.running["discovery"] == ["job-of-the-day"]


@pytest.fixture
def two(
    make: Callable[[], Keeper], fake: Fake, redis_server: redis.Redis
) -> Iterator[tuple[Keeper, Fake, Fake]]:
    """A keeper of two machines' scrapyds; `make` sets the desks and the version."""
    second = Fake(redis_server, "10.0.0.2:6800", "b")
    with due_queue.connect() as client:
        yield Keeper([cast("Scrapyd", fake), cast("Scrapyd", second)], client), fake, second


@pytest.mark.parametrize("processes", [1, 2])
def test_two_scrapyds_run_the_same_numbers_of_spiders(
    two: tuple[Keeper, Fake, Fake],
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    processes: int,
) -> None:
    kept, first, second = two
    settings_env(SPIDER_PROCESSES=processes)
    for second_ in (0, 2, 4):
        kept.run_once(after(second_))
    numbers = range(1, processes + 1)
    assert (first.running, second.running) == (
        {SYSTEM: [f"job-{n}" for n in numbers]},
        {SYSTEM: [f"b-{n}" for n in numbers]},
    )
    both = {SYSTEM: 2 * processes}
    assert word(redis_server) == {
        "at": after(4).isoformat(),
        "scrapyd": "ok",
        "running": both,
        "wanted": both,
        "machines": 2,
    }


@pytest.mark.parametrize(
    ("away", "said"),
    [
        ([0], {"scrapyd": "ok", "running": {SYSTEM: 1}, "wanted": {SYSTEM: 1}, "away": ["127.0.0.1:6800"]}),
        ([1], {"scrapyd": "ok", "running": {SYSTEM: 1}, "wanted": {SYSTEM: 1}, "away": ["10.0.0.2:6800"]}),
        ([0, 1], {"scrapyd": "down", "running": {}, "wanted": {SYSTEM: 2}}),
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
    assert word(redis_server) == {"at": after(2).isoformat(), **said}
    assert [each.started for each in scrapyds] == [int(number not in away) for number in (0, 1)]
    for each in scrapyds:
        each.away = False
    for second in (4, 6):
        kept.run_once(after(second))
    assert word(redis_server)["running"] == {SYSTEM: 2}
    assert [each.started for each in scrapyds] == [1, 1]


def test_a_successor_on_one_scrapyd_hides_no_spider_that_is_missing_on_another(
    two: tuple[Keeper, Fake, Fake], redis_server: redis.Redis
) -> None:
    kept, first, _ = two
    first.running = {SYSTEM: ["old", "new"]}
    kept.run_once(NOW)
    assert (word(redis_server)["running"], word(redis_server)["missing"]) == ({SYSTEM: 2}, {SYSTEM: 1})


def test_newer_code_is_run_on_each_scrapyd(two: tuple[Keeper, Fake, Fake]) -> None:
    kept, first, second = two
    kept.run_once(NOW)
    first.speak("job-1", NOW)
    second.speak("b-1", NOW)
    first.version = "v2"
    kept.run_once(after(1))
    kept.run_once(after(12))
    assert (first.running, second.running) == ({SYSTEM: ["job-1", "job-2"]}, {SYSTEM: ["b-1", "b-2"]})


def test_a_spider_that_died_with_its_machine_frees_its_lease_by_itself_and_stays_replaced(
    two: tuple[Keeper, Fake, Fake],
) -> None:
    kept, first, second = two
    kept.run_once(NOW)
    first.speak("job-1", NOW)
    second.speak("b-1", NOW)
    second.away = True
    for seconds in range(2, 300, 2):
        kept.run_once(after(seconds))
    assert (first.running, first.started) == ({SYSTEM: ["job-1"]}, 1)
