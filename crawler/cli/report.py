"""Checks at the terminal, once: hosts in parallel, the desks of one in turn; and the report of how each ended."""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from itertools import chain, starmap

from scrapy.settings import BaseSettings

from configs.world.desk import Desk
from crawler.items import CheckItem
from crawler.parsing.date_windows import local_text
from crawler.reading import Outcome, Slot
from crawler.scheduling.intervals import budget_of, host_floor, is_real
from crawler.scheduling.queues import queue_of

_FEW = 5
_STANDARD_OUTPUT = ("-", "stdout:")


def print_report(system: str, checks: Sequence[tuple[Desk, CheckItem]], settings: BaseSettings) -> None:
    """Write how checks ended to standard output, or to standard error where a feed has that for itself."""
    taken = any(str(uri).startswith(_STANDARD_OUTPUT) for uri in settings.getdict("FEEDS"))
    (sys.stderr if taken else sys.stdout).write(describe_checks(system, checks))


def describe_checks(system: str, checks: Sequence[tuple[Desk, CheckItem]]) -> str:
    """Return how the checks of a system ended, in the order of their desks, lines ended."""
    ordered = sorted(checks, key=lambda each: each[0].id)
    ended = Counter(check.outcome for _, check in checks)
    counts = ", ".join(f"{ended[outcome]} {outcome}" for outcome in Outcome if ended[outcome])
    summary = f"{system}: {len(checks)} checked: {counts or 'stopped before any check ended'}"
    return "".join(f"{line}\n" for line in (*chain.from_iterable(starmap(_lines, ordered)), summary))


def _lines(desk: Desk, check: CheckItem) -> Iterator[str]:
    requests = f"{check.requests} request{'s' if check.requests != 1 else ''}"
    yield f"{desk.id}: {check.outcome.upper()} in {check.milliseconds} ms, {requests}"
    yield f"    {desk.label}"
    if not check.slots:
        yield f"    {' '.join(check.reason.split())}"
        return
    yield f"    {len(check.slots)} open, book at {check.booking_url}"
    moments = sorted(_moment(desk, slot) for slot in check.slots)
    yield from (f"      {moment}" for moment in moments[:_FEW])
    if len(moments) > _FEW:
        yield f"      and {len(moments) - _FEW} more"


def _moment(desk: Desk, slot: Slot) -> str:
    """Return the moment as the desk's own clock shows it, with the place."""
    text = local_text(slot.moment, desk.zone) if slot.moment else "at an unknown hour"
    return f"{text}  {slot.place.label or ''}".rstrip()


Check = Callable[[Desk, int | None], Awaitable[CheckItem]]


async def each_once(desks: list[Desk], check: Check) -> AsyncGenerator[tuple[Desk, CheckItem], None]:
    """Yield each desk with its check, in the order in which they end; `check` must not raise."""
    by_host: defaultdict[str, list[Desk]] = defaultdict(list)
    for desk in desks:
        by_host[desk.host].append(desk)
    done: asyncio.Queue[tuple[Desk, CheckItem]] = asyncio.Queue()
    places = asyncio.Semaphore(min(queue_of(desk).places for desk in desks))
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
