import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import redis
import time_machine

from api.cache import _MOST_HELD, _REFILL_SHARE, MAX_AGE, AnswerCache, answer_cache
from configs.ground.redis import redis_client
from tests.waiting import ONE_TRY


class Source:
    """Builds numbered bodies; waits while `go_on` is cleared."""

    def __init__(self) -> None:
        self.made = 0
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.go_on.set()

    def build(self) -> bytes:
        self.made += 1
        self.begun.set()
        assert self.go_on.wait(20)
        return str(self.made).encode()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cache(redis_server: redis.Redis) -> AnswerCache:
    return AnswerCache(redis_client())


def test_a_body_is_built_once_and_then_kept(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller
) -> None:
    first, second = (cache.get("x", source.build) for _ in range(2))
    assert (first.source, second.source) == ("miss", "hit")
    assert (first.body, first.etag) == (second.body, second.etag)
    assert cache.get("y", source.build).body == b"2"


def test_two_processes_share_it(cache: AnswerCache, source: Source, frozen: time_machine.Traveller) -> None:
    cache.get("x", source.build)
    assert AnswerCache(redis_client()).get("x", source.build).source == "hit"
    assert source.made == 1


def test_it_is_built_again_in_time_so_that_it_is_never_older_than_agreed(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller
) -> None:
    ages = []
    for _ in range(40):
        ages.append(cache.get("x", source.build).age)
        frozen.shift(0.5)
    assert max(ages) < 5
    assert source.made == 10


def test_what_takes_long_to_build_is_built_less_often(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = {}
    for took in (0.9, 1.5, 3600):
        monkeypatch.setattr("api.cache.perf_counter", count(step=took).__next__)
        source.made = 0
        ages = []
        for _ in range(40):
            ages.append(cache.get(f"takes {took}", source.build).age)
            frozen.shift(0.5)
        built[took] = source.made, max(ages)
    assert built == {0.9: (10, 1.5), 1.5: (2, 11.5), 3600: (1, 19.5)}


def test_one_builds_while_the_others_take_the_old_one(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller
) -> None:
    cache.get("x", source.build)
    frozen.shift(3)
    source.go_on.clear()
    source.begun.clear()
    with ThreadPoolExecutor(1) as threads:
        builds = threads.submit(cache.get, "x", source.build)
        assert source.begun.wait(20)
        assert [cache.get("x", source.build).body for _ in range(5)] == [b"1"] * 5
        source.go_on.set()
        assert builds.result().body == b"2"
    assert source.made == 2


def test_twenty_at_once_without_a_body_build_one(cache: AnswerCache, source: Source) -> None:
    source.go_on.clear()
    with ThreadPoolExecutor(20) as threads:
        found = [threads.submit(cache.get, "x", source.build) for _ in range(20)]
        assert source.begun.wait(20)
        source.go_on.set()
        assert {each.result().body for each in found} == {b"1"}
    assert source.made == 1


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have calls wait zero seconds for a body that another call builds."""
    monkeypatch.setattr("api.cache._PATIENCE", 0)


@pytest.mark.usefixtures("no_patience")
def test_what_is_too_old_is_not_served_while_another_builds_for_ever(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    cache.get("x", source.build)
    frozen.shift(6)
    redis_server.set("api:cache:x:lock", "1")
    late = cache.get("x", source.build)
    assert (late.body, late.source) == (b"2", "bypass")


def test_a_process_that_died_while_it_built_is_replaced(
    cache: AnswerCache, source: Source, redis_server: redis.Redis
) -> None:
    redis_server.set("api:cache:x:lock", "1", px=50)
    assert cache.get("x", source.build).source == "miss"


def test_a_process_that_died_while_it_built_makes_nobody_wait(
    cache: AnswerCache, redis_server: redis.Redis
) -> None:
    def build() -> bytes:
        left = redis_server.pttl("api:cache:x:lock")
        assert 0 < left / 1000 <= MAX_AGE * (1 - _REFILL_SHARE)  # the others have the old body until then
        return b"1"

    assert cache.get("x", build).source == "miss"


def test_a_process_that_died_while_it_built_again_holds_up_nobody_once_the_old_body_is_too_old(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    def build() -> bytes:
        assert redis_server.pttl("api:cache:x:lock") <= 30_000
        return b"2"

    cache.get("x", source.build, 300)
    frozen.shift(270)
    assert cache.get("x", build, 300).body == b"2"


def test_a_build_that_fails_late_leaves_the_next_one_its_turn(
    cache: AnswerCache,
    source: Source,
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> bytes:
        monkeypatch.setattr("api.cache.time.monotonic", lambda now=time.monotonic: now() + 5)
        raise RuntimeError("canceling statement due to statement timeout")

    cache.get("x", source.build, 300)
    frozen.shift(270)
    with pytest.raises(RuntimeError):
        cache.get("x", fail, 300)
    assert not redis_server.exists("api:cache:x:lock")


def test_an_error_of_the_build_is_everybodys_and_the_next_one_tries_again(
    cache: AnswerCache, source: Source
) -> None:
    def fail() -> bytes:
        raise RuntimeError("the database is away")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            cache.get("x", fail)
    assert cache.get("x", source.build).source == "miss"


def test_a_clock_that_was_ahead_leaves_nothing_that_lasts(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller
) -> None:
    frozen.shift(3600)
    cache.get("x", source.build)
    frozen.shift(-3600)
    assert cache.get("x", source.build).body == b"2"


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", b"2026-11-20\nbody", b"\xff\xfe\n"])
def test_rubbish_is_no_body(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, rubbish: bytes
) -> None:
    redis_server.set("api:cache:x", rubbish)
    assert cache.get("x", source.build).body == b"1"


def test_without_redis_each_builds_and_redis_is_left_alone_for_a_while(
    redis_server: redis.Redis, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = AnswerCache(redis.Redis(port=1, retry=ONE_TRY))
    asked: list[str] = []

    def refuse(key: str) -> None:
        asked.append(key)
        raise redis.ConnectionError

    monkeypatch.setattr(cache, "_find_or_lock", refuse)
    found = [cache.get("x", source.build) for _ in range(3)]
    assert [each.source for each in found] == ["bypass"] * 3
    assert (len(asked), source.made) == (1, 3)


def test_a_redis_that_goes_away_meanwhile_costs_no_answer(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build() -> bytes:
        monkeypatch.setattr(cache, "_client", redis.Redis(port=1, retry=ONE_TRY))
        return source.build()

    assert cache.get("x", build).body == b"1"


def test_a_process_that_knows_the_body_asks_redis_no_more_until_it_is_built_again(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    cache.get("x", source.build)
    redis_server.flushdb()
    frozen.shift(1.9)
    kept = cache.get("x", source.build)
    assert (kept.body, kept.source, round(kept.age, 1)) == (b"1", "hit", 1.9)
    frozen.shift(0.2)
    assert cache.get("x", source.build).body == b"2"


def test_a_process_holds_few_bodies(cache: AnswerCache, source: Source, redis_server: redis.Redis) -> None:
    for number in range(_MOST_HELD + 1):
        cache.get(str(number), source.build)
    redis_server.flushdb()
    assert cache.get(str(_MOST_HELD), source.build).body == str(_MOST_HELD + 1).encode()
    assert cache.get("0", source.build).body == str(_MOST_HELD + 2).encode()


def test_the_process_has_one_cache(redis_server: redis.Redis) -> None:
    assert answer_cache() is answer_cache()
