"""One discovery run shared by several processes: joining it, its observations and queue, and its single end.

The end writes moved pages, links and the report in one transaction. The process that gets the lease does it, once.
"""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import redis
from scrapy import Spider
from sqlalchemy.orm import Session

from api.models.base import session
from configs.clock import clock
from configs.desk import Desk
from configs.hosts import host_of, resolve_stand_in
from configs.prefecture import Prefecture, desks, prefectures
from configs.settings import settings
from crawler.discovery import report, runs, store
from crawler.discovery.desk_pages import DISCOVERY_LOOK_SECONDS, Download, Landings, to_ask
from crawler.discovery.observations import Fact, SharedObservations, landings
from crawler.discovery.queue import KEPT_SECONDS, RequestSerializer, SiteQueue
from crawler.discovery.report import DiscoveryReport
from crawler.discovery.results import KnownPages, RunResult, addresses, back, evaluate_run
from crawler.discovery.runs import DISCOVERY_SECONDS, Run
from crawler.discovery.site_links import key
from crawler.incidents import moved_pages
from crawler.scheduling import due_queue
from crawler.spider_processes.lease import KEEPER_LEASE_SECONDS, Lease

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """What one process knows when the walk ends."""

    run: Run
    facts: list[Fact]
    cut_hosts: Collection[str]  # not walked to their end
    pages: int  # requested


def finish(ending: Ending, now: datetime) -> Path | None:
    """Write moved pages, links and the report in one transaction with the end of the run; return the report's folder.

    None if another process has done it.

    Raises:
        sqlalchemy.exc.DBAPIError: the database is away; nothing is written, and the run stays open.
        OSError: the report cannot be written; the same.
    """
    places = list(prefectures().values())
    with session() as rows:
        if not runs.lock_run(rows, ending.run):
            return None
        outcome = evaluate_run(ending.facts, places, _load_known_pages(rows, ending, places, now), now)
        again = back({each.desk_id: each.reason for each in moved_pages.find_open_drifts(rows)}, outcome)
        moved_pages.end_drifts(rows, again, now)
        new = moved_pages.open_drifts(
            rows, ((desk, sign.reason, sign.detail) for desk, sign in outcome.drifted), now
        )
        _remember(rows, ending, outcome, now)
        asked, found = ending.pages, len(outcome.found)
        runs.end(rows, ending.run, now, cut=outcome.cut, pages=asked, found=found)
        made = DiscoveryReport(outcome, ending.run.started_at, now, tuple(new), tuple(again))
        return report.write(made, settings().state_dir)


def site_host(place: Prefecture) -> str:
    """Return the host (`name:port`) of a prefecture's own site."""
    return host_of(resolve_stand_in(place.site, settings().sandbox_hosts))


def _load_known_pages(
    rows: Session, ending: Ending, places: Collection[Prefecture], now: datetime
) -> KnownPages:
    every = desks().values()
    watched = [desk for desk in every if desk.schedulable]
    cut = frozenset(place.id for place in places if site_host(place) in ending.cut_hosts)
    return KnownPages(addresses(every), store.before(rows), store.lives(rows, watched, now), cut)


def _remember(rows: Session, ending: Ending, outcome: RunResult, now: datetime) -> None:
    store.remember_links(rows, outcome.linked, now)
    store.remember_titles(rows, landings(ending.facts).values())


class RunGone(Exception):
    """The run's keys are gone from Redis."""


@dataclass(frozen=True, slots=True)
class SharedRun:
    """The shared parts of a run; `queue` uses the same keys as the schedulers of its processes."""

    run: Run
    client: redis.Redis
    facts: SharedObservations
    queue: SiteQueue

    @classmethod
    def join(cls, spider: Spider, now: datetime, *, only_due: bool) -> Self | None:
        """Join the open run, or begin one; None if `only_due` is set and no run is due.

        Raises:
            configs.settings.SettingMissing: DATABASE_URL or REDIS_URL is not set.
            sqlalchemy.exc.DBAPIError, redis.RedisError: a server is away.
        """
        warnings.filterwarnings(
            "ignore", module=r"scrapy_redis\."
        )  # scrapy-redis 0.9.1 uses deprecated parts of Scrapy
        with session() as rows:
            if only_due and not runs.due(rows, now):
                return None
            run = runs.join(rows, now)
        client = due_queue.connect()
        client.set(f"{run.key}:begun", 1, ex=KEPT_SECONDS)
        queue = SiteQueue(client, spider, f"{run.key}:requests", RequestSerializer)
        return cls(run, client, SharedObservations(client, f"{run.key}:facts", KEPT_SECONDS), queue)

    def load_linking_pages(self) -> dict[str, set[str]]:
        """Return the pages that linked a desk when last seen, by prefecture."""
        with session() as rows:
            return store.linking_pages(rows)

    def over(self, now: datetime) -> bool:
        """Whether all sites are walked, or the time is up.

        Raises:
            RunGone: another process has ended the run, or Redis was emptied.
            redis.RedisError: Redis is away.
        """
        self.client.expire(f"{self.run.key}:seen", KEPT_SECONDS)  # scrapy-redis sets no expiry
        if not self.client.exists(f"{self.run.key}:begun"):
            raise RunGone("the walk was ended, or Redis was emptied and it begins anew")
        return not len(self.queue) or self.run.over(now)

    async def end(self, download: Download, largest: int) -> None:
        """Request desks' own pages where needed and write the result; one process does this, once."""
        async with self._right_to_end():
            await self._land(download, largest)
            cut = self.queue.cut() | self.queue.unfinished()
            ending = Ending(self.run, self.facts.all(), cut, self.queue.count_asked())
            folder = await asyncio.to_thread(finish, ending, clock())
            if folder:
                log.info("discovery: %d pages asked, the report is in %s", ending.pages, folder)
            self._forget()

    async def _land(self, download: Download, largest: int) -> None:
        until = self.run.started_at + timedelta(seconds=DISCOVERY_SECONDS())
        asked = await asyncio.to_thread(_to_ask, clock())
        client = due_queue.connect_async()
        try:
            async for seen in Landings(client, download, largest).ask_all(asked, until):
                self.facts.add(seen)
        finally:
            await client.aclose()

    def _forget(self) -> None:
        self.queue.clear()
        self.client.delete(*(f"{self.run.key}:{name}" for name in ("begun", "seen", "facts")))

    @asynccontextmanager
    async def _right_to_end(self) -> AsyncIterator[None]:
        """Hold the lease for the end of the run; the lease of a process that dies expires."""
        lease = Lease(self.client, f"{self.run.key}:end")
        while not await asyncio.to_thread(lease.renew):  # noqa: ASYNC110 -- another process releases it
            await asyncio.sleep(DISCOVERY_LOOK_SECONDS())
        renewing = asyncio.create_task(_renew(lease))
        try:
            yield
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            lease.leave()


async def _renew(lease: Lease) -> None:
    while True:
        await asyncio.sleep(KEEPER_LEASE_SECONDS() / 3)
        await asyncio.to_thread(lease.renew)


def _to_ask(now: datetime) -> list[Desk]:
    """Return the desks whose own page is requested: only desks that share their address with no other."""
    every = desks().values()
    owners = addresses(every)
    with session() as rows:
        own = [desk for desk in every if len(owners[key(desk.url)]) == 1]
        return to_ask(own, store.lives(rows, own, now), store.before(rows), now)
