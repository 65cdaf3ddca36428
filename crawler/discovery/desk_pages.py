"""Requests of desks' own pages: at most one a day, within the host's budget, only where checks prove nothing."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from datetime import datetime, timedelta

import redis.asyncio
from scrapy import Request
from scrapy.http import Response

from api.models.base import session
from configs.clock import clock
from configs.constants import Constant
from configs.desk import Desk
from crawler.block_pages import detect_block_page
from crawler.catalogue import visit_of
from crawler.discovery import store
from crawler.discovery.moved_page_rules import DRIFT_PROVEN_SECONDS, CheckHistory, PreviousRun
from crawler.discovery.observations import LandingSeen
from crawler.fetching.errors import FetchError
from crawler.fetching.request_budget import BudgetExhausted, RequestBudget
from crawler.fetching.session import Session
from crawler.parsing.html_text import title
from crawler.platforms import platform
from crawler.reading import Page, PageRequest
from crawler.scheduling import due_queue
from crawler.scheduling.desk_budgets import bucket_of, budget_of, cost_of, desks_on
from crawler.scheduling.intervals import MINUTE, minimum_gap
from crawler.scheduling.queues import HTTP_DEADLINE_SECONDS

# How often a walk's process looks whether a site may be asked again
DISCOVERY_LOOK_SECONDS = Constant("DISCOVERY_LOOK_SECONDS", 1.0)

log = logging.getLogger(__name__)

Download = Callable[[Request], Awaitable[Response]]
HOLDER = "discovery 0"
_PATIENCE = timedelta(minutes=5)  # for a turn at a busy host; without one the page is requested another day


def to_ask(
    desks: Collection[Desk],
    lives: Mapping[str, CheckHistory],
    known: Mapping[str, PreviousRun],
    now: datetime,
) -> list[Desk]:
    """Return the desks whose checks proved nothing for a day, and those without a known title."""
    recently = now - timedelta(seconds=DRIFT_PROVEN_SECONDS)

    def unknown(desk: Desk) -> bool:
        life = lives.get(desk.id, CheckHistory())
        lived = life.lived_at is not None and life.lived_at >= recently
        return not life.stopped and (not lived or known.get(desk.id, PreviousRun()).title is None)

    return [desk for desk in desks if desk.schedulable and unknown(desk)]


class Landings:
    """Requests of desks' pages. `largest` is in bytes, `client` is connected to the due queue's Redis."""

    def __init__(self, client: redis.asyncio.Redis, download: Download, largest: int) -> None:
        self._client = client
        self._download = download
        self._largest = largest

    async def ask_all(self, desks: Collection[Desk], until: datetime) -> AsyncIterator[LandingSeen]:
        """Request each page when its host has room, until the time is up; yield the answers."""
        for desk in desks:
            if clock() < until and (page := await self._landing(desk)):
                yield page

    async def _landing(self, desk: Desk) -> LandingSeen | None:
        gives_up = clock() + _PATIENCE
        while not await self._take(desk):
            if clock() > gives_up:
                return None
            await asyncio.sleep(DISCOVERY_LOOK_SECONDS())
        try:
            if await asyncio.to_thread(_claim_landing, desk.id):
                return await ask_desk_page(
                    desk, self._download, self._largest, RequestBudget(1, lambda: self._take(desk))
                )
        finally:
            between = clock() + timedelta(seconds=MINUTE / budget_of(desk))
            await due_queue.asend(
                self._client, due_queue.release_host(desk.host, HOLDER, now=clock(), until=between)
            )
        return None

    async def _take(self, desk: Desk) -> bool:
        now, sharing = clock(), desks_on(desk.host)
        entry = due_queue.DueEntry(
            desk.id, desk.host, minimum_gap(desk.interval), now, cost_of(desk), bucket_of(sharing)
        )
        until = now + timedelta(seconds=HTTP_DEADLINE_SECONDS())
        return await due_queue.asend(
            self._client, due_queue.acquire_host(entry, HOLDER, now=now, until=until)
        )


async def ask_desk_page(desk: Desk, download: Download, largest: int, budget: RequestBudget) -> LandingSeen:
    """Request a desk's own page as a person opens it; a failure of the site raises nothing."""
    asking = Session(_without_robots(download), HTTP_DEADLINE_SECONDS(), largest, budget)
    try:
        page = await asking.fetch(PageRequest(desk.url), visit_of(desk), platform(desk.platform).is_forbidden)
    except FetchError as failure:
        return LandingSeen(desk.id, None, detail=failure.reason)
    except BudgetExhausted:
        return LandingSeen(desk.id, None, detail="its host's requests are used up")
    return _describe_answer(desk, page)


def _describe_answer(desk: Desk, page: Page) -> LandingSeen:
    """Return the observation of a page; a block page has no title."""
    if (found := detect_block_page(page)) and found.outcome:
        return LandingSeen(desk.id, None, page.url, detail=f"{found.outcome}: {found.reason}")
    return LandingSeen(desk.id, page.status, page.url, title(page.root))


def _without_robots(download: Download) -> Download:
    """Return a download that ignores robots.txt: an operator allows a booking host with its budget, as for checks."""

    async def download_without_robots(request: Request) -> Response:
        request.meta["dont_obey_robotstxt"] = True
        return await download(request)

    return download_without_robots


def _claim_landing(desk_id: str) -> bool:
    with session() as rows:
        return store.landing_due(rows, desk_id, clock())
