"""Keeper: a loop of the planner that has SPIDER_PROCESSES spiders of each queue run on each scrapyd.

A scrapyd is an address that the name in SCRAPYD_URL leads to: one on one machine, as many as run in a stack.

A spider ends by itself once it is old or large (CLOSESPIDER_TIMEOUT and MEMUSAGE_LIMIT_MB of Scrapy). The keeper starts
what is missing; what is too many ends with its age, and what hangs ends itself (crawler/dispatcher.py).
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import redis

from configs.ground.logs import OutageLog
from configs.settings import Constant, settings
from crawler.discovery import daily_schedule
from crawler.discovery.daily_schedule import Daily
from crawler.scheduling.probes import used_queues
from crawler.spider_processes.scrapyd_client import Scrapyd, ScrapydAway

# How often the keeper compares what runs with what should
keeper_seconds = Constant("KEEPER_SECONDS", 2.0)
# Spiders of a queue are started once in this time at most: one that ends at once would keep the machine busy
start_pause_seconds = Constant("START_PAUSE_SECONDS", 10.0)

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
        self._outage = OutageLog()

    def keep(self, wanted: Mapping[str, int], now: datetime) -> None:
        """Have as many spiders of each queue run as are wanted."""
        self.running, said = {}, ""
        try:
            self.running = self._scrapyd.count_jobs()
            for queue, number in sorted(wanted.items()):
                running = self.running.get(queue, 0)
                self.running[queue] = running + self._start(queue, number - running, now)
        except ScrapydAway as error:
            said = str(error)
        self.is_away = bool(said)
        self._outage.log_change(log, said)

    def _start(self, queue: str, missing: int, now: datetime) -> int:
        """Start what is missing, unless some began a moment ago; return how many were started."""
        began = self._started.get(queue)
        if missing <= 0 or (began and 0 <= (now - began).total_seconds() < start_pause_seconds()):
            return 0
        self._started[queue] = now
        for _ in range(missing):
            job = self._scrapyd.schedule(queue)
            log.info("%s: started as job %s", queue, job)
        return missing


class Keeper:
    """Keeps the spiders of all scrapyds running; what a restart of it forgets, its next looks find again.

    It needs no database. A second keeper may start the same spiders as this one at most once: the next look of either
    counts what scrapyd runs.
    """

    def __init__(self, find: Callable[[], Sequence[Scrapyd]], client: redis.Redis) -> None:
        self._find = find
        self._scrapyds: dict[str, KeptScrapyd] = {}  # by address
        self._client = client
        self._redis = OutageLog()
        self._daily = Daily()
        self._walk: dict[str, dict[str, int]] = {}  # by address, what the next look is to start of it

    def run_once(self, now: datetime) -> None:
        """Start missing spiders, and report to /api/health."""
        wanted = wanted_processes()
        found = {each.address: each for each in self._find()}
        self._scrapyds = {
            address: self._scrapyds.get(address) or KeptScrapyd(each) for address, each in found.items()
        }
        for each in self._scrapyds.values():  # one that is away keeps no other one from being served
            each.keep(wanted | self._walk.pop(each.address, {}), now)
        self._walk = {}
        self._publish_health(wanted, now)
        self._walk = self._want_walk(wanted, now)  # last: it asks the database, which no spider waits for

    def _want_walk(self, wanted: Mapping[str, int], now: datetime) -> dict[str, dict[str, int]]:
        """Return which scrapyd, the first that serves all queues, is to walk the sites; none where one does."""
        serving = [
            each
            for each in self._scrapyds.values()
            if wanted and all(each.running.get(queue) for queue in wanted)
        ]
        walks = any(each.running.get(daily_schedule.NAME) for each in self._scrapyds.values())
        is_due = serving and not walks and self._daily.is_due(now)
        return {serving[0].address: {daily_schedule.NAME: 1}} if is_due else {}

    def _publish_health(self, wanted: Mapping[str, int], now: datetime) -> None:
        """Report to /api/health: what runs and is wanted of each queue, where scrapyd answers."""
        present = [each for each in self._scrapyds.values() if not each.is_away]
        expected = max(settings().scrapyd_replicas, len(self._scrapyds))
        unknown = expected - len(self._scrapyds)
        away = [each.address for each in self._scrapyds.values() if each.is_away]
        missing = {  # added up: what is too many on one is missing on another all the same
            queue: sum(max(0, number - each.running.get(queue, 0)) for each in present)
            for queue, number in wanted.items()
        }
        seen = {
            "at": now.isoformat(),
            "scrapyd": "ok" if present else "down",
            "running": dict(sum((Counter(each.running) for each in present), Counter())),
            "wanted": {queue: number * (len(present) or expected) for queue, number in wanted.items()},
            "away": [*away, *([f"{unknown} of {expected} machines"] if unknown else [])] if present else [],
            "missing": {queue: number for queue, number in missing.items() if number},
        }
        said = ""
        try:
            self._client.set(SEEN, json.dumps(seen), ex=_SEEN_SECONDS)
        except redis.RedisError as error:
            said = f"Redis is away, health hears nothing of the spiders: {error}"
        self._redis.log_change(log, said)


def wanted_processes() -> dict[str, int]:
    """Return how many spiders each queue needs on each scrapyd, by its name: none where no desk is to be checked."""
    return {str(queue): queue.processes for queue in sorted(used_queues())}
