"""The circuit breaker: three failures open it, one probe at a time closes it, and every process sees the same."""

from collections.abc import Callable

import pytest
import redis
import time_machine

from configs.ground.circuit_breaker import CircuitBreaker, CircuitOpen

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


def test_after_its_rest_one_probe_goes_and_closes_it(
    breaker: CircuitBreaker, frozen: time_machine.Traveller
) -> None:
    fail(breaker)
    frozen.shift(REST)
    probe = breaker.begin_call()
    assert wait_of(breaker) == REST
    breaker.record_success(probe)
    assert [breaker.begin_call() for _ in range(3)]


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


def succeed(breaker: CircuitBreaker, *seconds: float) -> None:
    for each in seconds:
        breaker.record_success(breaker.begin_call(), each)


def test_answers_that_are_slow_in_the_median_open_it(
    redis_server: redis.Redis,
    frozen: time_machine.Traveller,
) -> None:
    breaker = CircuitBreaker("example", REST, 3.0)
    succeed(breaker, 9, 0.1, 9, 0.1, 0.1, 9)
    assert breaker.read_wait() == 0
    succeed(breaker, 3.5)
    assert wait_of(breaker) == REST
    frozen.shift(REST)
    succeed(breaker, 3.5)  # a slow probe: another rest
    assert wait_of(breaker) == REST
    frozen.shift(REST)
    succeed(breaker, 0.1, 3.5, 3.5)  # a good probe: the times before it count no more
    breaker.begin_call()


def test_without_redis_nothing_is_left_alone(settings_env: Callable[..., None], closed_port: int) -> None:
    settings_env(REDIS_URL=f"redis://127.0.0.1:{closed_port}/0")
    breaker = CircuitBreaker("alone", REST)
    fail(breaker)
    assert (breaker.read_wait(), breaker.is_open()) == (0, False)
    breaker.record_success(breaker.begin_call())
