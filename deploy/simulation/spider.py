"""One simulated spider process: the real spider's visits and the real due queue around a played downloader."""

import asyncio
from collections.abc import Callable, Mapping
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
from crawler.fetching.browser_headers import agent_for
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.session import Session
from crawler.items import CheckItem, FinishedCheck
from crawler.recording.batch_writer import record
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import DeskClaim
from crawler.spiders.prefenligne import PrefenligneSpider
from deploy.simulation.site import SimulatedSite

_LEAST, _LONGEST = 0.001, 3600.0  # seconds until the next claim: less would not move the time


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
    """Claims what is due as the dispatcher does, records what ends as the writer does.

    The dispatcher looks each second; this one only where that can bring something: `hear` says that others changed it.
    """

    def __init__(self, spider: PlayedSpider, client: redis.Redis, changed: Callable[[], None]) -> None:
        self._spider, self._client, self._changed = spider, client, changed
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._fault: BaseException | None = None

    async def serve(self) -> None:
        """Work for ever."""
        while True:
            if self._fault:
                raise self._fault
            self._wake.clear()
            wait = self._claim()
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def hear(self) -> None:
        """Notice, as late as the dispatcher would, that somebody else changed the queue."""
        asyncio.get_running_loop().call_later(settings().feeder_sleep_seconds, self._wake.set)

    async def end(self) -> None:
        """Break off what still runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _claim(self) -> float:
        """Begin what can be begun; return for how many seconds nothing more can be, unless something changes."""
        now, free = clock(), settings().spider_places - len(self._running)
        if not free:
            return _LONGEST
        claimed = due_queue.send(
            self._client,
            due_queue.claim(self._spider.system, now=now, places=free, hold=self._spider.queue.hold_seconds),
        )
        for claim in claimed.claims:
            task = asyncio.create_task(self._check(claim))
            self._running.add(task)
            task.add_done_callback(self._note_end)
        if not claimed.wake:
            return _LONGEST
        return max(_LEAST, (claimed.wake - now).total_seconds())

    async def _check(self, claim: DeskClaim) -> None:
        budget = RequestBudget(claim.paid, partial(self._spend, claim))
        check = await self._spider.check(desks()[claim.desk_id], claim.token, budget=budget)
        self._record(check, claim.token)

    async def _spend(self, claim: DeskClaim) -> bool:
        call = due_queue.spend(self._spider.system, claim.desk_id, claim.token, now=clock())
        return due_queue.send(self._client, call)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            self._fault = fault
            self._wake.set()

    def _record(self, check: CheckItem, token: int) -> None:
        written = record([FinishedCheck(check, token, clock())])
        due_queue.send(self._client, due_queue.finish(self._spider.system, written.visits, now=clock()))
        self._wake.set()
        self._changed()
