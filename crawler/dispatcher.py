"""Dispatcher: claims as many due desks as a spider has free places, runs their checks, yields the results."""

import asyncio
import faulthandler
import gc
import logging
import math
import os
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from resource import RUSAGE_SELF, getrusage
from time import monotonic
from typing import TYPE_CHECKING, Any

import redis
from scrapy.exceptions import CloseSpider

from configs.ground.clock import clock
from configs.ground.logs import OutageLog
from configs.settings import Constant, settings
from configs.world.desk import Desk
from crawler.fetching.request_budget import RequestBudget
from crawler.items import CheckBatch, CheckItem, process_name
from crawler.scheduling import due_queue
from crawler.scheduling.due_queue import DeskClaim, VisitEnd, stop_grace_seconds
from crawler.scheduling.intervals import budget_of, cost_of, host_floor
from crawler.scheduling.probes import find_visited, is_robots

if TYPE_CHECKING:
    from crawler.booking import BookingSpider

# Longest sleep of the feeder before it looks at the due queue again
_feeder_sleep_seconds = Constant("FEEDER_SLEEP_SECONDS", 1.0)

# How often a spider process renews its entry in Redis
renewed_seconds = Constant("RENEWED_SECONDS", 5.0)
# How long an entry stands that is not renewed
speaks_seconds = Constant("SPEAKS_SECONDS", 15.0)
# How long the event loop of a spider may stand still before the process ends itself
silent_seconds = Constant("SILENT_SECONDS", 45.0)

log = logging.getLogger(__name__)

_GLANCE = 0.3  # seconds between two looks at the engine, the parent process and the hosts that are stopped
BEHIND_SECONDS = 0.05  # seconds until a writer that was behind is looked at again
# Seconds: otherwise each of many desks that fall due in a row made a claim of its own.
BETWEEN_CLAIMS = 0.01
# Objects that a check holds are freed when it ends, without the collector. By default it looks at them all after each
# 700 that are new: 64 checks hold more, and every few looks it went through all connections too, for 20 to 30 ms.
COLLECT_AFTER = (10_000, 5, 5)
_LAST_CLAIM = 1.0  # seconds that a running Redis command may still take when we stop


async def serve(spider: "BookingSpider") -> AsyncGenerator[CheckBatch, None]:
    """Yield the checks of due desks as they end, until the crawl is stopped.

    Raises:
        scrapy.exceptions.CloseSpider: this process claims no more: the crawl was closed, or its parent died.
    """
    dispatcher = Dispatcher(spider)
    dispatcher.begin()
    try:
        while checks := await dispatcher.wait_for_checks():
            yield CheckBatch(checks)
    finally:
        await dispatcher.stop("the crawl was stopped")
    raise CloseSpider(dispatcher.reason)


class Dispatcher:
    """Claims desks for one spider process and runs their checks."""

    def __init__(self, spider: "BookingSpider") -> None:
        self._finished: asyncio.Queue[CheckItem | None] = asyncio.Queue()  # None: that was the last
        self.reason = ""
        self._spider = spider
        self._queue = str(spider.queue)
        self._writer = spider.writer
        self._client = due_queue.connect_async()
        spider.identities.client = self._client
        self._entry = f"crawler:process:{process_name()}"
        self._started = clock().isoformat()
        self._state = ""  # as last published
        self._parent = settings().scrapyd_pid or os.getppid()
        self._running: dict[asyncio.Task[None], tuple[Desk, DeskClaim, RequestBudget]] = {}
        self._checks = 0
        self._cut_off: list[tuple[Desk, DeskClaim]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._over = asyncio.Event()
        self._renewed = -math.inf  # when our entry was, by `monotonic`
        self._full = False
        self._redis = OutageLog()
        self._ended: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start claiming."""
        gc.freeze()  # what is loaded stays; a full collection of it delayed running checks
        gc.set_threshold(*COLLECT_AFTER)
        loop = asyncio.get_running_loop()
        self._writer.on_finish = lambda: loop.call_soon_threadsafe(self._wake.set)
        self._writer.on_close = partial(self.stop, "the crawl is closed")
        self._tasks = [self._start(each) for each in (self._claim_loop(), self._look_loop())]

    async def wait_for_checks(self) -> tuple[CheckItem, ...]:
        """Return the checks that have ended, as soon as there is one; none after the last."""
        checks = [await self._finished.get()]
        while checks[-1] and not self._finished.empty():
            checks.append(self._finished.get_nowait())
        if checks[-1] is None:
            self._finished.put_nowait(None)
        return tuple(filter(None, checks))

    async def stop(self, reason: str) -> None:
        """Stop claiming, wait STOP_GRACE_SECONDS for running checks, give the rest back; may be called twice."""
        await asyncio.shield(self._end(reason))

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run one of our loops; an exception in it ends the process, which the keeper replaces."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._loop_ended)
        return task

    def _loop_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (fault := task.exception()):
            log.error("%s: the dispatcher failed", self._queue, exc_info=fault)
            self._end(f"a fault of ours: {fault!r}")

    async def _claim_loop(self) -> None:
        while not self._ended:
            self._wake.clear()
            began = monotonic()
            await wait_for(self._wake, await self._claim())
            await asyncio.sleep(max(0, began + BETWEEN_CLAIMS - monotonic()))

    async def _look_loop(self) -> None:
        """Look for what comes without a call, until all checks are over: ends of engine and scrapyd, stops of hosts."""
        while not self._over.is_set():
            if os.getppid() != self._parent:
                self._end("its parent process died")
            elif not self._spider.crawler.engine.running:
                self._end("the crawl was stopped")
            try:
                await self._publish_status()
                stopped = await self._client.smembers(due_queue.STOPPED)
            except redis.RedisError as error:
                self._redis_lost(error)
            else:  # not even requests that are already paid for are made
                for desk, _, budget in self._running.values():
                    budget.stopped = budget.stopped or desk.host in stopped
            await wait_for(self._over, _GLANCE)

    async def _publish_status(self) -> None:
        """Renew our entry each RENEWED_SECONDS, and say that we end; `make status` shows it.

        A process of scrapyd that does not come here for SILENT_SECONDS, or in which what follows hangs, ends itself and
        writes where.
        """
        state = "ending" if self._ended else "serving"
        if state == self._state and monotonic() - self._renewed < renewed_seconds():
            return
        if self._spider.job:
            faulthandler.dump_traceback_later(silent_seconds(), exit=True)
        self._state = state
        entry: dict[Any, str | int] = {
            "system": self._queue,
            "job": self._spider.job,
            "state": state,
            "started": self._started,
            "memory": getrusage(RUSAGE_SELF).ru_maxrss // 1024,  # the most so far, in MB, as its limit counts
            "running": len(self._running),
            "checks": self._checks,
        }
        async with self._client.pipeline() as pipeline:
            pipeline.hset(self._entry, mapping=entry)
            pipeline.pexpire(self._entry, round(speaks_seconds() * 1000))
            await pipeline.execute()
        self._renewed = monotonic()

    async def _claim(self) -> float:
        """Claim desks for the free places; return the seconds until more can be claimed."""
        longest = _feeder_sleep_seconds()
        free = self._spider.queue.places - len(self._running)
        if self._writer.behind:
            return BEHIND_SECONDS
        if self._full and not free:
            return longest
        hold, now = self._spider.queue.hold_seconds, clock()
        try:
            claimed = await due_queue.asend(
                self._client, due_queue.claim_desks(self._queue, now=now, places=free, hold=hold)
            )
        except redis.RedisError as error:
            self._redis_lost(error)
            return longest
        self._redis.log_change(log, "")
        for stranger in claimed.refused:
            log.warning(
                "%r was pushed to %s: no such desk is scheduled", stranger, due_queue.pushed(self._queue)
            )
        await self._begin_checks(claimed.claims)
        self._full = len(claimed.claims) == free
        # Counted from the answer on: a claim that comes too soon, by what it was on its way, finds nothing.
        wake = longest if self._full or not claimed.wake else (claimed.wake - now).total_seconds()
        return max(0, min(longest, wake))

    async def _begin_checks(self, claims: Iterable[DeskClaim]) -> None:
        claims = list(claims)
        known = [(desk, claim) for claim in claims if (desk := find_visited(claim.desk_id))]
        await self._release_unknown([claim for claim in claims if not find_visited(claim.desk_id)])
        if self._ended:  # we were stopped while the claim was on its way
            await self._give_back(known)
            return
        for desk, claim in known:
            budget = RequestBudget(claim.paid, partial(self._spend, claim))
            task = asyncio.create_task(self._check(desk, claim, budget))
            self._running[task] = desk, claim, budget
            task.add_done_callback(self._check_ended)

    async def _release_unknown(self, claims: Sequence[DeskClaim]) -> None:
        """Free the hosts of desks that our files lack, with what was paid; a spider that has them claims them later."""
        if names := ", ".join(claim.desk_id for claim in claims):
            log.error("%s: unknown desks: restart the spiders: %s", self._queue, names)
        now = clock()
        due = now + timedelta(seconds=self._spider.queue.hold_seconds)
        await self._send_ends(
            VisitEnd(each.desk_id, each.token, due, each.host, now, unused=each.paid) for each in claims
        )

    async def _spend(self, claim: DeskClaim) -> bool:
        """Ask for one request beyond those that the claim paid for."""
        call = due_queue.spend(self._queue, claim.desk_id, claim.token, now=clock())
        try:
            return await due_queue.asend(self._client, call)
        except redis.RedisError as error:
            self._redis_lost(error)
            return False

    async def _check(self, desk: Desk, claim: DeskClaim, budget: RequestBudget) -> None:
        hand_over = self._finished.put_nowait
        if is_robots(claim.desk_id):
            hand_over(await self._spider.read_robots(desk, claim.token, budget))
        else:
            await self._spider.check(
                desk, claim.token, turn=claim.turn, probe=claim.probe, budget=budget, hand_over=hand_over
            )
        self._checks += 1

    def _check_ended(self, task: "asyncio.Task[None]") -> None:
        desk, claim, _ = self._running.pop(task)
        if task.cancelled():
            self._cut_off.append((desk, claim))
        elif fault := task.exception():
            log.error(
                "the check of %s failed; it comes due again when its hold ends", claim.desk_id, exc_info=fault
            )
        if self._full:
            self._wake.set()

    def _redis_lost(self, error: redis.RedisError) -> None:
        self._redis.log_change(
            log, f"{self._queue}: Redis is away, nothing is claimed until it is back: {error}"
        )

    def _end(self, reason: str) -> "asyncio.Task[None]":
        if self._ended is None:
            log.info("%s: claims no more: %s", self._queue, reason)
            self.reason = reason
            self._ended = asyncio.create_task(self._shut_down())
        return self._ended

    async def _shut_down(self) -> None:
        claiming, _ = self._tasks
        self._wake.set()
        await asyncio.wait([claiming], timeout=_LAST_CLAIM)
        await cancel_all([claiming])
        if self._running:
            await asyncio.wait(self._running, timeout=stop_grace_seconds())
        await cancel_all(list(self._running))
        self._writer.on_finish = None
        self._drain()  # first: finished checks must not wait for a Redis that hangs
        self._finished.put_nowait(None)
        self._over.set()
        # An entry that is on its way to Redis may arrive after the last one, and stay there.
        await asyncio.wait(self._tasks, timeout=_LAST_CLAIM)
        await cancel_all(self._tasks)
        await self._give_back(self._cut_off)
        await self._leave()

    def _drain(self) -> None:
        """Hand finished checks to the writer: an engine that stops takes no items."""
        while not self._finished.empty():
            if check := self._finished.get_nowait():
                self._writer.put(check)

    async def _give_back(self, unfinished: Iterable[tuple[Desk, DeskClaim]]) -> None:
        now = clock()
        ends = []
        for desk, claim in unfinished:
            between = now + timedelta(seconds=host_floor(cost_of(desk), budget_of(desk)))
            ends.append(VisitEnd(claim.desk_id, claim.token, now, desk.host, between))
        await self._send_ends(ends)

    async def _send_ends(self, ends: Iterable[VisitEnd]) -> None:
        if visits := list(ends):
            async with best_effort():  # otherwise they come due when their holds end
                await due_queue.asend(self._client, due_queue.finish(self._queue, visits, now=clock()))

    async def _leave(self) -> None:
        async with best_effort():  # otherwise the entry expires by itself
            await self._client.delete(self._entry)
        await self._client.aclose()


@asynccontextmanager
async def best_effort() -> AsyncIterator[None]:
    """Run last commands in Redis for a second at most, and ignore a Redis that is away or hangs."""
    with suppress(redis.RedisError, TimeoutError):
        async with asyncio.timeout(_LAST_CLAIM):
            yield


async def cancel_all(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel tasks and wait until they are over."""
    ending = [task for task in tasks if not task.done()]
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, for so many seconds at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
