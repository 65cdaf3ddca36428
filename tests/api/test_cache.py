import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import time_machine

from api.cache import AnswerCache
from api.errors import ApiError
from configs.ground.redis import redis_client


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


def test_twenty_at_once_without_a_body_build_one(cache: AnswerCache, source: Source) -> None:
    source.go_on.clear()
    with ThreadPoolExecutor(20) as threads:
        found = [threads.submit(cache.get, "x", source.build) for _ in range(20)]
        assert source.begun.wait(20)
        source.go_on.set()
        assert {each.result().body for each in found} == {b"1"}
    assert source.made == 1


def test_a_body_that_takes_long_to_build_is_built_by_one_and_the_others_get_the_older_one(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.cache._LOCK_SECONDS", 1)  # it is renewed for as long as it is built
    monkeypatch.setattr("api.cache._PATIENCE", 2.5)
    cache.get("x", source.build)
    frozen.shift(6)
    source.begun.clear()
    source.go_on.clear()
    with ThreadPoolExecutor(6) as threads:
        builds = threads.submit(cache.get, "x", source.build)
        assert source.begun.wait(20)
        others = [threads.submit(cache.get, "x", source.build) for _ in range(5)]
        assert {(each.result(20).body, each.result().age) for each in others} == {(b"1", 6.0)}
        source.go_on.set()
        assert builds.result(20).body == b"2"
    assert cache.get("x", source.build).body == b"2"
    assert source.made == 2


def test_a_first_body_that_takes_too_long_is_waited_for_within_bounds(
    cache: AnswerCache, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.cache._LONGEST_WAIT", 0.2)
    source.go_on.clear()
    with ThreadPoolExecutor(1) as threads:
        builds = threads.submit(cache.get, "x", source.build)
        assert source.begun.wait(20)
        with pytest.raises(ApiError, match="try again") as refused:
            cache.get("x", source.build)
        source.go_on.set()
        assert builds.result(20).body == b"1"
    assert (refused.value.status, source.made) == (503, 1)


def test_a_process_that_died_while_it_built_is_replaced(
    cache: AnswerCache, source: Source, redis_server: redis.Redis
) -> None:
    redis_server.set("api:cache:x:lock", "1", px=50)
    assert cache.get("x", lambda: str(redis_server.pttl("api:cache:x:lock") <= 3000).encode()).body == b"True"


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
