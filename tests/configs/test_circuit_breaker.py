"""The circuit breaker: three failures open it, one probe at a time closes it, and every process sees the same."""

from collections.abc import Callable
from threading import Barrier, Thread

import pytest
import redis
import time_machine

from configs.circuit_breaker import CircuitBreaker, CircuitOpen

REST = 15.0


@pytest.fixture
def breaker(redis_server: redis.Redis, frozen: time_machine.Traveller) -> CircuitBreaker:
    return CircuitBreaker("example", REST)


def fail(breaker: CircuitBreaker, times: int = 3) -> None:
    for token in [breaker.begin_call() for _ in range(times)]:
        breaker.record_failure(token)


def wait_of(breaker: CircuitBreaker) -> float:
    with pytest.raises(CircuitOpen) as refused:
        breaker.begin_call()
    return refused.value.retry_after


def test_the_third_failure_in_a_row_opens_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.record_success(breaker.begin_call())
    fail(breaker, 2)
    breaker.record_failure(breaker.begin_call())
    assert wait_of(CircuitBreaker("example", REST)) == REST
    CircuitBreaker("another", REST).begin_call()


def test_looking_at_the_wait_takes_no_probe(breaker: CircuitBreaker, frozen: time_machine.Traveller) -> None:
    fail(breaker, 2)
    assert breaker.read_wait() == 0
    fail(breaker, 1)
    frozen.shift(5)
    assert breaker.read_wait() == REST - 5
    frozen.shift(REST)
    assert breaker.read_wait() == 0
    breaker.begin_call()
    assert breaker.read_wait() == REST


def test_after_its_rest_one_probe_goes_and_closes_it(
    breaker: CircuitBreaker, frozen: time_machine.Traveller
) -> None:
    fail(breaker)
    frozen.shift(REST)
    probe = breaker.begin_call()
    assert wait_of(breaker) == REST
    breaker.record_success(probe)
    assert [breaker.begin_call() for _ in range(3)]


def test_a_probe_that_fails_begins_another_rest(
    breaker: CircuitBreaker, frozen: time_machine.Traveller
) -> None:
    fail(breaker)
    frozen.shift(REST + 5)
    breaker.record_failure(breaker.begin_call())
    assert wait_of(breaker) == REST
    frozen.shift(REST)
    breaker.begin_call()


def test_a_call_that_began_before_says_nothing_about_the_probe(
    breaker: CircuitBreaker, frozen: time_machine.Traveller
) -> None:
    slow = breaker.begin_call()
    fail(breaker)
    frozen.shift(REST)
    breaker.begin_call()
    breaker.record_failure(slow)
    frozen.shift(5)
    assert wait_of(breaker) == REST - 5


def test_a_probe_that_died_is_followed_by_another(
    breaker: CircuitBreaker, frozen: time_machine.Traveller
) -> None:
    fail(breaker)
    frozen.shift(REST)
    breaker.begin_call()
    frozen.shift(REST)
    breaker.begin_call()


def test_of_many_at_once_one_is_the_probe(breaker: CircuitBreaker, frozen: time_machine.Traveller) -> None:
    fail(breaker)
    frozen.shift(REST)
    ready, probes = Barrier(8), []

    def ask() -> None:
        ready.wait()
        try:
            probes.append(breaker.begin_call())
        except CircuitOpen:
            return

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 1


def test_an_opening_from_a_clock_ahead_is_over(
    breaker: CircuitBreaker, frozen: time_machine.Traveller
) -> None:
    frozen.shift(3600)
    fail(breaker)
    frozen.shift(-3600)
    breaker.begin_call()


def test_without_redis_every_call_is_made(settings_env: Callable[..., None]) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1")
    breaker = CircuitBreaker("example", REST)
    fail(breaker, 4)
    breaker.begin_call()
