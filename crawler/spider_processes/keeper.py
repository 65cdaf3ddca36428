"""Keeper: a loop of the planner that has SPIDER_PROCESSES spiders of each queue run on each scrapyd of SCRAPYD_URLS.

A spider ends by itself once it is old or large (CLOSESPIDER_TIMEOUT and MEMUSAGE_LIMIT_MB of Scrapy). The keeper starts
what is missing and kills what is silent; what is too many ends with its age.
"""

import json
import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import redis

from configs.ground.outage_log import OutageLog
from configs.settings.constants import Constant
from configs.world.prefecture import desks
from crawler.discovery import daily_schedule
from crawler.discovery.daily_schedule import DISCOVERY_SECONDS, Daily
from crawler.scheduling.queues import CrawlQueue, queue_of
from crawler.spider_processes import registry
from crawler.spider_processes.scrapyd_client import Scrapyd, ScrapydAway

# How often the keeper compares what runs with what should
KEEPER_SECONDS = Constant("KEEPER_SECONDS", 2.0)
# How long a spider whose entry expired may go on saying nothing before it is killed
SILENT_SECONDS = Constant("SILENT_SECONDS", 30.0)
# How long a spider may take to say its first word: on a busy machine its imports alone take a minute
FIRST_WORD_SECONDS = Constant("FIRST_WORD_SECONDS", 180.0)
# Spiders of a queue are started once in this time at most: one that ends at once would keep the machine busy
START_PAUSE_SECONDS = Constant("START_PAUSE_SECONDS", 10.0)

SEEN = "crawler:keeper:seen"
_SEEN_SECONDS = 45

log = logging.getLogger(__name__)


class KeptScrapyd:
    """One scrapyd and its spiders. `running`: how many jobs of each queue run or wait to."""

    def __init__(self, scrapyd: Scrapyd) -> None:
        self.address = scrapyd.address
        self.running: dict[str, int] = {}
        self.is_away = False
        self._scrapyd = scrapyd
        self._started: dict[str, datetime] = {}  # by queue
        # by job: since when it is silent, and its patience
        self._heard: dict[str, tuple[datetime, float]] = {}
        self._outage = OutageLog()

    def keep(self, wanted: Mapping[str, int], speaking: Collection[str] | None, now: datetime) -> None:
        """Have as many spiders of each queue run as are wanted.

        `speaking`: the jobs whose entries stand in Redis; None where they tell nothing, and no spider counts as silent.
        """
        self.running = {}
        try:
            found = self._scrapyd.jobs()
            self._listen([job for jobs in found.values() for job in jobs], speaking, now)
            for queue, jobs in found.items():
                self.running[queue] = len(jobs) - self._kill_silent(queue, jobs, now)
            for queue, number in sorted(wanted.items()):
                running = self.running.get(queue, 0)
                self.running[queue] = running + self._start(queue, number - running, now)
        except ScrapydAway as error:
            self.is_away = True
            self._outage.tell(log, str(error))
        else:
            self.is_away = False
            self._outage.tell(log, "")

    def _listen(self, jobs: Sequence[str], speaking: Collection[str] | None, now: datetime) -> None:
        """Note since when each job is silent. Redis that was away or emptied gives all their whole time again."""
        known = {job: self._heard.get(job, (now, FIRST_WORD_SECONDS())) for job in jobs}
        for job, (since, patience) in known.items():
            if speaking is None:
                known[job] = now, patience
            elif job in speaking or since > now:  # the clock was set back
                known[job] = now, SILENT_SECONDS()
        self._heard = known

    def _kill_silent(self, queue: str, jobs: Sequence[str], now: datetime) -> int:
        """Kill the jobs of a queue that said nothing for too long, or a walk that hangs; return how many."""
        silent = 0
        for job in jobs:
            since, patience = self._heard[job]
            if queue == daily_schedule.NAME:  # it says nothing, and ends by itself in DISCOVERY_SECONDS
                patience = DISCOVERY_SECONDS() + SILENT_SECONDS()
            if (seconds := (now - since).total_seconds()) > patience:
                log.warning("%s: job %s has said nothing for %.0f s: it is killed", queue, job, seconds)
                self._scrapyd.kill(job)
                self._heard[job] = now, SILENT_SECONDS()
                silent += 1
        return silent

    def _start(self, queue: str, missing: int, now: datetime) -> int:
        """Start what is missing, unless some began a moment ago; return how many were started."""
        began = self._started.get(queue)
        if missing <= 0 or (began and 0 <= (now - began).total_seconds() < START_PAUSE_SECONDS()):
            return 0
        self._started[queue] = now
        for _ in range(missing):
            job = self._scrapyd.schedule(CrawlQueue.parse(queue))
            log.info("%s: started as job %s", queue, job)
        return missing


class Keeper:
    """Keeps the spiders of all scrapyds running; what a restart of it forgets, its next looks find again.

    It needs no database. A second keeper may start the same spiders as this one at most once: the next look of either
    counts what scrapyd runs.
    """

    def __init__(self, scrapyds: Sequence[Scrapyd], client: redis.Redis) -> None:
        self._scrapyds = [KeptScrapyd(each) for each in scrapyds]
        self._client = client
        self._redis = OutageLog()
        self._daily = Daily()
        self._looked_at: datetime | None = None
        self._walk: dict[str, int] = {}  # what the next look is to start of it

    def run_once(self, now: datetime) -> None:
        """Start missing spiders, kill silent ones, and report to /api/health."""
        speaking, wanted = self._read_jobs(), wanted_processes()
        since, self._looked_at = self._looked_at, now
        if since and (now - since).total_seconds() > SILENT_SECONDS():
            # The clock stepped, or this machine slept: entries ran out, and no spider was silent.
            speaking = None
        walk, self._walk = self._walk, {}
        first, *others = self._scrapyds
        first.keep(wanted | walk, speaking, now)
        for each in others:  # one that is away keeps no other one from being served
            each.keep(wanted, speaking, now)
        self._publish_health(wanted, now)
        self._walk = self._want_walk(wanted, now)  # last: it asks the database, which no spider waits for

    def _read_jobs(self) -> set[str] | None:
        """Return the jobs of the spiders that speak; None while Redis is away."""
        try:
            found = registry.list_speaking(self._client)
        except redis.RedisError as error:
            self._redis.tell(log, f"Redis is away, only missing spiders are started: {error}")
            return None
        self._redis.tell(log, "")
        return found

    def _want_walk(self, wanted: Mapping[str, int], now: datetime) -> dict[str, int]:
        """Return whether the first scrapyd, once it serves all queues, is to walk the prefectures' sites."""
        running = self._scrapyds[0].running
        serves = wanted and all(running.get(queue) for queue in wanted)
        is_due = serves and not running.get(daily_schedule.NAME) and self._daily.is_due(now)
        return {daily_schedule.NAME: 1} if is_due else {}

    def _publish_health(self, wanted: Mapping[str, int], now: datetime) -> None:
        """Report to /api/health: what runs and is wanted of each queue, where scrapyd answers."""
        present = [each for each in self._scrapyds if not each.is_away]
        seen: dict[str, Any] = {
            "at": now.isoformat(),
            "scrapyd": "ok" if present else "down",
            "running": dict(sum((Counter(each.running) for each in present), Counter())),
            "wanted": {queue: number * len(present or self._scrapyds) for queue, number in wanted.items()},
        }
        missing = {  # added up: what is too many on one is missing on another all the same
            queue: sum(max(0, number - each.running.get(queue, 0)) for each in present)
            for queue, number in wanted.items()
        }
        beside: dict[str, Any] = {
            "away": [each.address for each in self._scrapyds if present and each.is_away],
            "missing": {queue: number for queue, number in missing.items() if number},
        }
        seen |= {name: found for name, found in beside.items() if found}
        with suppress(redis.RedisError):  # logged by _read_jobs already; /api/health asks Redis itself
            self._client.set(SEEN, json.dumps(seen), ex=_SEEN_SECONDS)


def wanted_processes() -> dict[str, int]:
    """Return how many spiders each queue needs on each scrapyd, by its name: none where no desk is to be checked."""
    used = {queue_of(desk) for desk in desks().values() if desk.schedulable}
    return {str(queue): queue.processes for queue in sorted(used)}
