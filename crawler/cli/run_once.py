"""One-off checks at the terminal: hosts in parallel, the desks of one host in turn."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable

from configs.world.desk import Desk
from crawler.items import CheckItem
from crawler.scheduling.desk_budgets import budget_of, is_real
from crawler.scheduling.intervals import host_floor
from crawler.scheduling.queues import SPIDER_PLACES

Check = Callable[[Desk, int | None], Awaitable[CheckItem]]


async def each_once(desks: list[Desk], check: Check) -> AsyncGenerator[tuple[Desk, CheckItem], None]:
    """Yield each desk with its check, in the order in which they end; `check` must not raise."""
    by_host: defaultdict[str, list[Desk]] = defaultdict(list)
    for desk in desks:
        by_host[desk.host].append(desk)
    done: asyncio.Queue[tuple[Desk, CheckItem]] = asyncio.Queue()
    places = asyncio.Semaphore(SPIDER_PLACES())
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
    return host_floor(requests, budget_of(desk)) if is_real(desk) else 0.0
