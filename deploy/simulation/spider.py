"""One simulated spider process: the real spider's visits and the real due queue around a played downloader."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import redis
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.settings import Settings

from configs.clock import clock
from configs.desk import Desk
from configs.hosts import host_of
from configs.prefecture import desks
from configs.settings import settings
from crawler.dispatcher import BEHIND_SECONDS, BETWEEN_CLAIMS
from crawler.fetching.browser_headers import agent_for
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.session import Session
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import DeskClaim
from crawler.spiders.prefenligne import PrefenligneSpider
from deploy.simulation.site import SimulatedSite
from deploy.simulation.writer import SimulatedWriter


class PlayedSpider(PrefenligneSpider):
    """The real spider, whose pages come from played sites after `latency()` seconds."""

    name = "played"
    sites: Mapping[str, SimulatedSite]
    latency: Callable[[], float]

    @classmethod
    def over(cls, sites: Mapping[str, SimulatedSite], latency: Callable[[], float]) -> "PlayedSpider":
        """Make one that asks these sites, by host."""
        known = Settings()
        known.setmodule("crawler.settings", priority="project")
        spider = cls.from_crawler(Crawler(cls, known))
        spider.sites, spider.latency = sites, latency
        return spider

    async def _download(self, request: Request) -> Response:
        now = asyncio.get_running_loop().time()
        response = self.sites[host_of(request.url)].answer(request, now, clock())
        await asyncio.sleep(self.latency())
        return response

    def _session(self, desk: Desk, budget: RequestBudget) -> Session:
        return Session(
            self._download,
            deadline=settings().http_deadline_seconds,
            largest=self.settings.getint("DOWNLOAD_MAXSIZE"),
            budget=budget,
            now=asyncio.get_running_loop().time,
            agent=agent_for(desk.host),
        )


class SimulatedSpider:
    """Claims what is due and has it written as the dispatcher does; its lease and its stop are not played."""

    def __init__(self, spider: PlayedSpider, client: redis.Redis) -> None:
        self.lateness: list[float] = []  # seconds of each claim, as lua/claim.lua counts them
        self._spider, self._client = spider, client
        self._wake = asyncio.Event()
        self._writer = SimulatedWriter(spider.system, client, self._wake.set)
        self._running: set[asyncio.Task[None]] = set()
        self._full = False
        self._caught_up: datetime | None = None  # until then no claimable desk was left
        self._fault: BaseException | None = None

    async def serve(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.serve())
            group.create_task(self._claim_loop())

    async def end(self) -> None:
        """Break off what still runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _claim_loop(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            if self._fault:
                raise self._fault
            self._wake.clear()
            began = now()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._claim()):
                    await self._wake.wait()
            await asyncio.sleep(max(0, began + BETWEEN_CLAIMS - now()))

    def _claim(self) -> float:
        """Begin the checks that can be begun; return the seconds until more can be claimed."""
        longest, now = settings().feeder_sleep_seconds, clock()
        free = self._spider.queue.places - len(self._running)
        if self._writer.behind:
            return BEHIND_SECONDS
        if self._full and not free:
            return longest
        since = self._caught_up or now
        hold = self._spider.queue.hold_seconds
        call = due_queue.claim(self._spider.system, now=now, places=free, hold=hold, since=since)
        claimed = due_queue.send(self._client, call)
        for claim in claimed.claims:
            self.lateness.append(max(0, (now - max(since, claim.due)).total_seconds()))
            task = asyncio.create_task(self._check(claim))
            self._running.add(task)
            task.add_done_callback(self._check_ended)
        self._full = len(claimed.claims) == free
        if self._full:
            return longest
        pause = min(longest, max(0, (claimed.wake - now).total_seconds())) if claimed.wake else longest
        self._caught_up = now + timedelta(seconds=pause)
        return pause

    async def _check(self, claim: DeskClaim) -> None:
        budget = RequestBudget(claim.paid, partial(self._spend, claim))
        desk = desks()[claim.desk_id]
        await self._spider.check(desk, claim.token, budget=budget, hand_over=self._writer.put)

    async def _spend(self, claim: DeskClaim) -> bool:
        call = due_queue.spend(self._spider.system, claim.desk_id, claim.token, now=clock())
        return due_queue.send(self._client, call)

    def _check_ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            self._fault = self._fault or task.exception()
        if self._full or self._fault:
            self._wake.set()
