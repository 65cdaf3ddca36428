import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from flask.testing import FlaskClient

from api.middleware import shared_counts
from api.middleware.shared_counts import SharedCounts
from configs.ground.clock import clock
from tests.clients import People
from tests.waiting import ONE_TRY

RULE = "4 per minute"


@pytest.fixture
def process(redis_server: redis.Redis) -> Callable[[], SharedCounts]:
    """Give how to open the counts of one more process."""
    return lambda: SharedCounts(redis_server)


def test_one_too_many_does_not_pass_and_says_how_long_to_wait(process: Callable[[], SharedCounts]) -> None:
    counts = process()
    passes = [counts.count(RULE, "camille").passes for _ in range(5)]
    assert passes == [True] * 4 + [False]
    refusal = counts.count(RULE, "camille").build_refusal()
    assert (refusal.status, 0 < int(refusal.headers["Retry-After"]) <= 60) == (429, True)
    assert counts.count(RULE, "robin").left == 3


def test_processes_add_up(process: Callable[[], SharedCounts]) -> None:
    one, other = process(), process()
    for _ in range(3):
        one.count(RULE, "camille")
        one.exchange()
    other.count(RULE, "camille")
    other.exchange()
    assert not other.count(RULE, "camille").passes
    one.count(RULE, "camille")  # the fifth, which it cannot know yet
    one.exchange()
    assert not one.count(RULE, "camille").passes


def test_threads_lose_no_count(process: Callable[[], SharedCounts], redis_server: redis.Redis) -> None:
    counts = process()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: counts.count("1000 per minute", "camille"), range(400)))
    counts.exchange()
    (key,) = redis_server.keys("api:throttle*")
    assert int(redis_server.get(key) or 0) == 400


def test_a_sum_without_an_end_gets_one(
    process: Callable[[], SharedCounts], redis_server: redis.Redis
) -> None:
    counts = process()
    for _ in range(2):
        counts.count(RULE, "camille")
        counts.exchange()
        (key,) = redis_server.keys("api:throttle*")
        assert 0 < redis_server.ttl(key) <= 60
        redis_server.persist(key)


def test_a_window_ends(process: Callable[[], SharedCounts], monkeypatch: pytest.MonkeyPatch) -> None:
    counts, now = process(), clock()
    for _ in range(5):
        counts.count(RULE, "camille")
    for later in (61, -3600):  # a clock that is set back must not keep a count for an hour
        monkeypatch.setattr(shared_counts, "clock", lambda seconds=later: now + timedelta(seconds=seconds))
        assert counts.count(RULE, "camille").left == 3


def test_many_keys_leave_those_near_their_limit(
    process: Callable[[], SharedCounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_counts, "_MOST_KEPT", 50)
    monkeypatch.setattr(shared_counts, "_MOST_AT_ONCE", 30)
    counts = process()
    for _ in range(4):
        counts.count(RULE, "camille")
    for number in range(200):
        counts.count(RULE, str(number))
    counts.exchange()
    assert list(counts._entries) == [name for name in counts._entries if "camille" in name]
    assert not counts.count(RULE, "camille").passes
    assert counts.count(RULE, "7").passes


def test_a_redis_that_hangs_delays_one_request_and_the_counts_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warnings: list[object] = []
    monkeypatch.setattr(shared_counts.log, "warning", lambda *_, **__: warnings.append(_))
    monkeypatch.setattr(shared_counts, "EXCHANGE_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections and never answers
        address = hanging.getsockname()
        counts = SharedCounts(
            redis.Redis(host=address[0], port=address[1], socket_timeout=0.05, retry=ONE_TRY)
        )
        passes = [counts.count(RULE, "camille").passes for _ in range(5)]
    assert (passes, len(warnings)) == ([True] * 4 + [False], 1)


def test_requests_do_not_ask_redis_one_by_one(
    client: FlaskClient, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_counts, "EXCHANGE_SECONDS", 3600)
    headers = person().headers
    client.get("/api/auth/me", headers=headers)
    asked: list[object] = []
    execute: Any = redis.Redis.execute_command

    def note(self: redis.Redis, *arguments: object, **options: object) -> object:
        asked.append(arguments[0])
        return execute(self, *arguments, **options)

    monkeypatch.setattr(redis.Redis, "execute_command", note)
    answers = [client.get("/api/auth/me", headers=headers) for _ in range(3)]
    assert (answers[0].status_code, asked) == (200, [])
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    assert left == [left[0], left[0] - 1, left[0] - 2]


def test_a_user_is_limited_from_all_addresses_together(
    client: FlaskClient, person: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.middleware.rate_limits.USER", "2 per 5 minutes")
    headers = person().headers
    statuses = [
        client.get(
            "/api/auth/me", headers=headers, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"}
        ).status_code
        for number in range(3)
    ]
    assert statuses == [200, 200, 429]
