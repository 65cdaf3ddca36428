"""Proxy choice, from one process's memory and from Redis alike, by several checks at once too."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from configs.proxies import parse_proxies
from crawler.fetching.errors import ProxyFailed
from crawler.fetching.proxies import (
    InMemoryProxyStore,
    KnownProxies,
    Proxies,
    ProxyHealth,
    ProxySession,
    ProxyStore,
    after_failure,
    candidates,
)
from crawler.fetching.redis_proxy_store import RedisProxyStore
from crawler.scheduling import due_queue
from tests.crawler.held import make_desk

if TYPE_CHECKING:
    import time_machine

T = TypeVar("T")
ALL = parse_proxies("http://a:1,http://b:1,http://c:1")
NAMES = [proxy.name for proxy in ALL]
OWN, MAYBE = ProxyFailed("refused", own=True), ProxyFailed("502", own=False)


def way(proxies: Proxies) -> ProxySession:
    found = proxies.way(make_desk())
    assert found
    return found


def in_redis(use: Callable[[ProxyStore], Coroutine[Any, Any, T]]) -> T:
    async def whole() -> T:
        client = due_queue.connect_async()
        try:
            return await use(RedisProxyStore(client))
        finally:
            await client.aclose()

    return asyncio.run(whole())


healths = st.builds(ProxyHealth, st.integers(1, 9), st.integers(0, 200).map(float))


@given(
    names=st.lists(st.sampled_from("abcdef"), unique=True, min_size=1),
    last=st.none() | st.sampled_from("abcdef"),
    health=st.dictionaries(st.sampled_from("abcdef"), healths),
)
def test_what_may_be_taken_is_well_and_another_than_the_last(
    names: list[str], last: str | None, health: dict[str, ProxyHealth]
) -> None:
    found = candidates(names, KnownProxies(last, health), now=100)
    well = [name for name in names if health.get(name, ProxyHealth()).rests_until <= 100]
    assert found
    assert set(found) <= set(well or names)
    assert last not in found or found == [last]
    if not well:
        assert health[found[0]].rests_until == min(health[name].rests_until for name in names)


def test_a_rest_is_twice_as_long_each_time_up_to_a_limit() -> None:
    health = ProxyHealth()
    rests = []
    for _ in range(9):
        health = after_failure(health, 1000)
        rests.append(health.rests_until - 1000)
    assert rests == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_none_configured_means_no_way() -> None:
    assert Proxies(()).way(make_desk()) is None


def test_a_check_keeps_its_proxy_and_the_next_of_its_prefecture_has_another() -> None:
    async def names() -> list[str]:
        proxies, taken = Proxies(ALL), []
        for _ in range(30):
            one = way(proxies)
            taken.append((await one.proxy()).name)
            assert (await one.proxy()).name == taken[-1]
        return taken

    taken = asyncio.run(names())
    assert all(one != next_one for one, next_one in pairwise(taken))
    assert set(taken) == set(NAMES)


def test_one_that_failed_rests_for_that_host_and_comes_back(frozen: "time_machine.Traveller") -> None:
    proxies = Proxies(ALL)

    async def taken(host: str, times: int = 20) -> set[str]:
        return {proxy.name for _ in range(times) if (proxy := await proxies.take("x_01", host))}

    asyncio.run(proxies.failed("site:443", "a:1"))
    assert asyncio.run(taken("site:443")) == {"b:1", "c:1"}
    assert asyncio.run(taken("other:443")) == set(NAMES)
    frozen.shift(61)
    assert asyncio.run(taken("site:443")) == set(NAMES)
    asyncio.run(proxies.failed("site:443", "a:1"))
    frozen.shift(61)
    assert "a:1" not in asyncio.run(taken("site:443"))
    asyncio.run(proxies.worked("site:443", "a:1"))
    assert "a:1" in asyncio.run(taken("site:443"))


def test_the_only_one_that_is_well_is_used_again_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def use() -> set[str]:
        proxies = Proxies(ALL)
        for name in NAMES[1:]:
            await proxies.failed("127.0.0.1:8800", name)
        return {(await way(proxies).proxy()).name for _ in range(5)}

    with caplog.at_level(logging.WARNING, "crawler.fetching.proxies"):
        assert asyncio.run(use()) == {"a:1"}
    assert [each for each in caplog.messages if "the only one left" in each] == [
        "proxy a:1 is the only one left for 127.0.0.1:8800: it is taken again and again"
    ]


@pytest.mark.parametrize(
    ("failures", "answered", "goes_on"),
    [
        ([OWN], False, [True]),
        ([OWN, OWN], False, [True, False]),
        ([MAYBE], False, [False]),
        ([OWN], True, [False]),
    ],
)
def test_one_other_is_tried_for_the_proxys_own_failures_before_anything_answered(
    failures: list[ProxyFailed], answered: bool, goes_on: list[bool]
) -> None:
    async def tried() -> tuple[list[bool], list[str]]:
        one = way(Proxies(ALL))
        names = [(await one.proxy()).name]
        if answered:
            await one.worked()
        went = [await one.other(failure) for failure in failures]
        names.append((await one.proxy()).name)
        return went, names

    went, (first, then) = asyncio.run(tried())
    assert went == goes_on
    assert (first != then) is goes_on[0]


def test_a_single_proxy_has_no_other() -> None:
    async def tried() -> bool:
        one = way(Proxies(ALL[:1]))
        await one.proxy()
        return await one.other(OWN)

    assert asyncio.run(tried()) is False


@pytest.mark.usefixtures("redis_server")
def test_processes_share_what_they_know() -> None:
    async def use(memory: ProxyStore) -> tuple[KnownProxies, bool, bool, KnownProxies, KnownProxies]:
        before = await memory.recall_proxies("x_01", "site:443")
        took, again = await memory.take("x_01", None, "a:1"), await memory.take("x_01", None, "b:1")
        await memory.note("site:443", "a:1", ProxyHealth(2, 1000.5))
        known = await memory.recall_proxies("x_01", "site:443")
        await memory.note("site:443", "a:1", None)
        return before, took, again, known, await memory.recall_proxies("x_02", "site:443")

    expected = (
        KnownProxies(None, {}),
        True,
        False,
        KnownProxies("a:1", {"a:1": ProxyHealth(2, 1000.5)}),
        KnownProxies(None, {}),
    )
    assert in_redis(use) == expected
    assert asyncio.run(use(InMemoryProxyStore())) == expected


@pytest.mark.usefixtures("redis_server")
def test_no_two_processes_take_the_same_one_after_another() -> None:
    taken: list[str] = []

    class Noted(RedisProxyStore):
        async def take(self, prefecture: str, before: str | None, name: str) -> bool:
            took = await super().take(prefecture, before, name)
            if took:
                taken.append(name)
            return took

    async def use(_: ProxyStore) -> None:
        clients = [due_queue.connect_async() for _ in range(4)]
        processes = [Proxies(ALL) for _ in clients]
        for one, client in zip(processes, clients, strict=True):
            one.memory = Noted(client)
        for _round in range(10):
            await asyncio.gather(*(process.take("x_01", "site:443") for process in processes))
        for client in clients:
            await client.aclose()

    in_redis(use)
    assert len(taken) >= 30
    assert all(one != other for one, other in pairwise(taken))


def test_without_redis_each_turns_its_own(
    settings_env: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")

    async def use(memory: ProxyStore) -> list[str | None]:
        proxies = Proxies(ALL)
        proxies.memory = memory
        taken = [proxy.name for _ in range(6) if (proxy := await proxies.take("x_01", "site:443"))]
        await proxies.failed("site:443", "a:1")
        return [*taken, (await memory.recall_proxies("x_01", "site:443")).last]

    taken = in_redis(use)
    assert all(one != other for one, other in pairwise(taken[:6]))
    assert caplog.text.count("Redis is away, this process turns its proxies by itself") == 1


def test_what_is_remembered_holds_no_secret_and_is_forgotten_after_a_day(redis_server: redis.Redis) -> None:
    async def use(memory: ProxyStore) -> None:
        proxies = Proxies(parse_proxies("http://ann:sesame@a:1"))
        proxies.memory = memory
        await proxies.take("x_01", "site:443")
        await proxies.failed("site:443", "a:1")

    in_redis(use)
    assert set(redis_server.keys("crawler:prox*")) == {
        b"crawler:proxy:last:x_01",
        b"crawler:proxies:site:443",
    }
    assert all(0 < redis_server.ttl(key) <= 86400 for key in redis_server.keys("crawler:prox*"))
    assert list(redis_server.hgetall("crawler:proxies:site:443")) == [b"a:1"]
