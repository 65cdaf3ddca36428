"""Checks once what a person named: hosts beside each other, each host's desks one after the other."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable

from configs.desk import Desk, is_stand_in
from configs.hosts import host_of
from configs.prefecture import host_rules
from configs.settings import settings
from crawler.items import CheckItem
from crawler.platforms import platform
from crawler.sites import on_wire

Check = Callable[[Desk, int | None], Awaitable[CheckItem]]
_MINUTE = 60.0


async def each_once(desks: list[Desk], check: Check) -> AsyncGenerator[tuple[Desk, CheckItem], None]:
    """Yield each desk with its check, in the order in which they end; `check` must not raise."""
    by_host: defaultdict[str, list[Desk]] = defaultdict(list)
    for desk in desks:
        by_host[desk.host].append(desk)
    done: asyncio.Queue[tuple[Desk, CheckItem]] = asyncio.Queue()
    places = asyncio.Semaphore(settings().spider_places)
    tasks = [asyncio.create_task(_in_turn(each, check, places, done)) for each in by_host.values()]
    try:
        for _ in desks:
            yield await done.get()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _in_turn(
    desks: list[Desk], check: Check, places: asyncio.Semaphore, done: asyncio.Queue[tuple[Desk, CheckItem]]
) -> None:
    for desk in desks:
        async with places:
            ended = await check(desk, None)
        done.put_nowait((desk, ended))
        if desk is not desks[-1]:
            await asyncio.sleep(rest(desk, ended.requests))


def rest(desk: Desk, requests: int) -> float:
    """Return the seconds that a host is left alone after so many requests: no queue counts its budget here."""
    if is_stand_in(host_of(on_wire(desk.url, settings().sandbox_hosts))):
        return 0.0
    rule = host_rules().get(desk.host)
    return requests * _MINUTE / (rule.budget if rule else platform(desk.platform).BUDGET)
