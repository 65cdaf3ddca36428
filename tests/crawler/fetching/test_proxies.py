"""Proxy choice of checks, and what all processes know of proxies that failed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from configs.settings.proxies import parse_proxies
from crawler.fetching.errors import ProxyFailed
from crawler.fetching.proxies import Proxies, ProxySession
from crawler.scheduling import due_queue

T = TypeVar("T")
ALL = parse_proxies("http://ann:sesame@a:1,http://b:1,http://c:1")
NAMES = {proxy.name for proxy in ALL}
OWN, MAYBE = ProxyFailed("refused", own=True), ProxyFailed("502", own=False)


def way(proxies: Proxies) -> ProxySession:
    found = proxies.way()
    assert found
    return found


def shared(use: Callable[[Proxies], Coroutine[Any, Any, T]]) -> T:
    """Return what `use` returns of proxies that are shared by Redis."""

    async def whole() -> T:
        proxies = Proxies(ALL)
        proxies.client = due_queue.connect_async()
        try:
            return await use(proxies)
        finally:
            await proxies.client.aclose()

    return asyncio.run(whole())


async def taken(proxies: Proxies, times: int = 40) -> set[str]:
    return {(await way(proxies).proxy()).name for _ in range(times)}


def test_a_check_keeps_its_proxy_and_checks_have_any() -> None:
    async def use() -> set[str]:
        one = way(Proxies(ALL))
        assert len({(await one.proxy()).name for _ in range(9)}) == 1
        return await taken(Proxies(ALL))

    assert asyncio.run(use()) == NAMES


@pytest.mark.usefixtures("redis_server")
def test_one_that_failed_rests_for_every_process_and_any_is_tried_where_all_rest() -> None:
    async def use(proxies: Proxies) -> tuple[set[str], set[str]]:
        await proxies.rest("a:1")
        few = await taken(proxies)
        for name in NAMES:
            await proxies.rest(name)
        return few, await taken(proxies)

    assert shared(use) == ({"b:1", "c:1"}, NAMES)


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
        one.answered = answered
        went = [await one.other(failure) for failure in failures]
        names.append((await one.proxy()).name)
        return went, names

    went, (first, then) = asyncio.run(tried())
    assert went == goes_on
    assert (first != then) is goes_on[0]
