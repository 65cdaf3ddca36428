"""Users of Redis: what each program may do there, as the real server reads the rules."""

import os
from collections.abc import Callable
from typing import Any, get_args

import pytest
import redis
import time_machine

from api.models.job import JOB_QUEUES
from api.models.notification import QUEUES
from configs.ground.database import database_url
from configs.ground.redis import read_rules
from configs.programs.circuit_breaker import CircuitBreaker, CircuitOpen
from configs.settings.common import DatabaseProgram
from tests.in_turn import in_turn

ENQUEUED = ["rq:queue:{}", "rq:job:{}-match-7", "rq:wip:{}", "rq:failed:{}", "rq:executions:{}-match-7"]
SHARED = {"rq", "breaker", "refused", "proofs", "nudges"}
EVERY = {"api", "background", "crawler", "notifier", "proofs", "reader", "stream"}
TELLING = {"api", "background", "crawler", "notifier"}


@pytest.fixture
def server() -> redis.Redis:
    return redis.Redis.from_url(f"{os.environ['TEST_REDIS']}0", decode_responses=True)


def may(server: redis.Redis, user: str, *command: str) -> bool:
    answer: Any = server.execute_command("ACL DRYRUN", user, *command)  # type: ignore[no-untyped-call]
    return bool(answer == "OK")


def who_may(server: redis.Redis, *command: str) -> set[str]:
    return {user for user in read_rules() if may(server, user, *command)}


@in_turn("queue", JOB_QUEUES)
def test_background_jobs_are_nudged_by_the_api_and_by_themselves(server: redis.Redis, queue: str) -> None:
    for name, *arguments in (("set", "x"), ("rpush", "x"), ("blpop", "1"), ("del",), ("get",)):
        allowed = who_may(server, name, f"nudges:{queue}", *arguments)
        assert allowed == ({"api", "background"} | ({"reader"} if name == "get" else set()))


@in_turn("key", ENQUEUED)
@in_turn("queue", QUEUES)
def test_jobs_of_messages_are_written_by_who_has_something_to_tell(
    server: redis.Redis, queue: str, key: str
) -> None:
    assert who_may(server, "rpush", key.format(queue), "x") == TELLING


@in_turn(
    "command, allowed",
    [
        (("subscribe", "stream:notices"), {"stream"}),
        (("publish", "stream:notices", ""), TELLING),
        (("publish", "elsewhere", ""), set()),
        (("set", "stream:seen", "x"), {"stream"}),
        (("set", "crawler:stopped", "x"), {"crawler"}),
        (("set", "crawler:planner:seen", "x"), {"crawler"}),
        (("get", "crawler:planner:seen"), {"api", "background", "crawler", "reader"}),
        (("rpush", "prefenligne:checks", "evry_91/x"), {"crawler"}),
        (("set", "api:throttle:x", "1"), {"api"}),
        (("set", "api:known-address:x", "1"), {"api"}),
        (("set", "api:cache:map:all", "1"), {"api", "background"}),
        (("incr", "notifier:rate:sms"), {"notifier"}),
        (("hset", "breaker:stripe", "failures", "3"), {"api", "background", "notifier"}),
        (("hget", "breaker:telegram", "failures"), {"api", "background", "crawler", "notifier", "reader"}),
        (("hset", "breaker:telegram", "failures", "3"), {"api", "background", "notifier"}),
        (("set", "refused:writes", "x"), TELLING),
        (("hset", "rq:worker:notifier-7", "state", "x"), {"notifier"}),
        (("hset", "rq:worker:proofs-7", "state", "x"), {"proofs"}),
        (("rpush", "rq:queue:proof-pages", "x"), {"crawler", "proofs"}),
        (("hset", "proofs:pages", "page", "x"), {"crawler", "proofs"}),
        (("hdel", "proofs:away", "since"), {"proofs"}),
        (("set", "anything", "x"), set()),
        (("eval", "return 1", "0"), {*TELLING, "proofs"}),
        (("flushall",), set()),
        (("keys", "*"), set()),
        (("scan", "0"), {"api", "background", "reader"}),
        (("randomkey",), {"api", "background", "reader"}),
        (("config", "set", "requirepass", ""), set()),
        (("function", "load", "x"), set()),
        (("client", "kill", "127.0.0.1:1"), set()),
        (("ping",), EVERY),
        (("info",), EVERY - {"stream"}),
    ],
)
def test_who_may(server: redis.Redis, command: tuple[str, ...], allowed: set[str]) -> None:
    assert who_may(server, *command) == allowed


@in_turn("user", sorted(EVERY))
def test_what_a_program_may_write_begins_with_its_word_or_a_shared_one(user: str) -> None:
    written = [word.removeprefix("%W")[1:] for word in read_rules()[user] if word.startswith(("~", "%W~"))]
    own = {key.partition(":")[0] for key in written} - SHARED - {"*"}
    assert own <= ({user, "api"} if user == "background" else {user})  # its jobs fill the cache of answers


Put = Callable[..., None]


@in_turn("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_driver_is_written_in(bare: Put, scheme: str) -> None:
    bare(DATABASE_URL=f"{scheme}://u:p@h:5432/db?sslmode=require")
    assert database_url() == "postgresql+psycopg2://u:p@h:5432/db?sslmode=require"


@in_turn("program", get_args(DatabaseProgram))
def test_a_program_has_its_own_address_or_the_common_one(bare: Put, program: DatabaseProgram) -> None:
    bare(DATABASE_URL="postgresql://common/db")
    assert database_url(program) == "postgresql+psycopg2://common/db"
    own = {f"DATABASE_URL_{program.upper()}": "postgres://own/db"}
    bare(DATABASE_URL="postgresql://common/db", **own)
    assert database_url(program) == "postgresql+psycopg2://own/db"
    assert database_url() == "postgresql+psycopg2://common/db"


def test_a_process_is_the_program_that_the_environment_says(bare: Put) -> None:
    bare(DATABASE_URL="postgresql://common/db", DATABASE_URL_CRAWLER="postgresql://own/db", PROGRAM="crawler")
    assert database_url() == "postgresql+psycopg2://own/db"
    assert database_url("api") == "postgresql+psycopg2://common/db"


# The circuit breaker

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
