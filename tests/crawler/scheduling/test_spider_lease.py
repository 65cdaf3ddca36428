import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis

from crawler.scheduling import due_queue
from crawler.scheduling.spider_lease import SpiderLease

Test = Callable[..., Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def _short(redis_server: redis.Redis, settings_env: Callable[..., None]) -> None:
    settings_env(SEAT_SECONDS="1", SPIDER_PROCESSES="1", SCRAPYD_URLS="http://a:1,http://b:1")


def with_seats(test: Test, count: int) -> None:
    async def run() -> None:
        client = due_queue.connect_async()
        try:
            await test(*(SpiderLease(client, "test") for _ in range(count)))
        finally:
            await client.aclose()

    asyncio.run(run())


def test_there_are_as_many_seats_as_processes_on_all_machines_and_no_more(redis_server: redis.Redis) -> None:
    async def test(first: SpiderLease, second: SpiderLease, third: SpiderLease) -> None:
        assert await first.take(asyncio.Event())
        assert await second.take(asyncio.Event())
        assert sorted(redis_server.keys("crawler:lease:*")) == [
            b"crawler:lease:test:0",
            b"crawler:lease:test:1",
        ]
        redis_server.persist("crawler:lease:test:0")
        redis_server.persist("crawler:lease:test:1")
        assert not await third.take(asyncio.Event())

    with_seats(test, 3)


def test_a_seat_that_was_left_is_free_at_once_and_only_its_holder_leaves_it(
    redis_server: redis.Redis,
) -> None:
    async def test(first: SpiderLease, second: SpiderLease, third: SpiderLease) -> None:
        assert await first.take(asyncio.Event())
        assert await second.take(asyncio.Event())
        await third.leave()
        await first.leave()
        await first.leave()
        assert redis_server.keys("crawler:lease:*") == [b"crawler:lease:test:1"]
        assert await third.take(asyncio.Event())
        assert not await first.keep()

    with_seats(test, 3)


def test_a_seat_outlives_its_silent_holder_by_its_period_only(redis_server: redis.Redis) -> None:
    async def test(first: SpiderLease) -> None:
        assert await first.take(asyncio.Event())
        assert 0 < redis_server.pttl("crawler:lease:test:0") <= 1000

    with_seats(test, 1)


def test_a_successor_waits_for_the_seat_of_a_predecessor_that_died(redis_server: redis.Redis) -> None:
    async def test(*leases: SpiderLease) -> None:
        assert await leases[0].take(asyncio.Event())
        redis_server.set("crawler:lease:test:1", "dead", px=50)
        assert await leases[1].take(asyncio.Event())

    with_seats(test, 2)


def test_who_is_stopped_waits_no_longer(redis_server: redis.Redis) -> None:
    async def test(*leases: SpiderLease) -> None:
        assert await leases[0].take(asyncio.Event())
        redis_server.set("crawler:lease:test:1", "another", px=60_000)
        stopping = asyncio.Event()
        waiting = asyncio.ensure_future(leases[1].take(stopping))
        await asyncio.sleep(0.01)
        stopping.set()
        async with asyncio.timeout(30):
            assert not await waiting

    with_seats(test, 2)


def test_a_seat_that_redis_forgot_is_taken_back_unless_another_sits_there(redis_server: redis.Redis) -> None:
    async def test(lease: SpiderLease) -> None:
        assert await lease.take(asyncio.Event())
        redis_server.flushdb()
        assert await lease.keep()
        redis_server.set("crawler:lease:test:0", "another process")
        assert not await lease.keep()
        await lease.leave()
        assert redis_server.get("crawler:lease:test:0") == b"another process"

    with_seats(test, 1)
