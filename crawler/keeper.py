"""Keeper: makes each scrapyd of SCRAPYD_URLS run SPIDER_PROCESSES spiders of each queue.

A missing spider is started; one that is old, large, silent or outdated is replaced
(crawler/spider_processes/replacement_policy.py decides). Of several keepers the one with the lease acts.
"""

import json
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import redis

from configs.clock import clock
from configs.deployed_files import code_version
from configs.file_watch import DEPLOY_SETTLE_SECONDS, FileWatch
from configs.outage_log import OutageLog
from configs.part_failures import PartFailures
from configs.prefecture import desks
from crawler.discovery import daily_schedule
from crawler.discovery.daily_schedule import Daily
from crawler.scheduling.queues import queue_of
from crawler.spider_processes import registry
from crawler.spider_processes.kept_scrapyd import KeptScrapyd
from crawler.spider_processes.lease import Lease
from crawler.spider_processes.registry import SpiderProcess
from crawler.spider_processes.replacement_policy import Code
from crawler.spider_processes.scrapyd_client import Scrapyd
from crawler.spider_processes.start_backoff import KEEPER_SECONDS

log = logging.getLogger(__name__)

SEEN = "crawler:keeper:seen"
_SEEN_SECONDS = 45


class Keeper:
    """State of one keeper between two runs; what is lost of it the next runs find again."""

    def __init__(
        self,
        scrapyds: Sequence[Scrapyd],
        client: redis.Redis,
        watch: FileWatch | None = None,
        failures: PartFailures | None = None,
    ) -> None:
        """`watch` tries what is deployed: no spider is replaced for files that it refuses."""
        self._scrapyds = [KeptScrapyd(each, client) for each in scrapyds]
        self._watch = watch
        self._client = client
        self._lease = Lease(client, "keeper")
        self.failures = failures or PartFailures()
        self._code: Code | None = None
        self._outages: defaultdict[str, OutageLog] = defaultdict(OutageLog)
        self._daily = Daily()

    def run(self, stop: threading.Event) -> None:
        """Run each KEEPER_SECONDS until `stop` is set; a run that fails is named by health and repeated."""
        while not stop.is_set():
            self.failures.run("keeper", lambda: self.run_once(clock()))
            stop.wait(KEEPER_SECONDS())
        with suppress(redis.RedisError):  # then it runs out
            self._lease.leave()

    def run_once(self, now: datetime) -> None:
        """Start missing spiders, end surplus ones, replace those that need it, and report to /api/health."""
        told, code = self._read_registry(), self._settled_code(now)
        if not self._lease.held:
            return
        wanted = wanted_processes()
        for each in self._scrapyds:  # one that is away keeps no other one from being served
            each.keep(wanted, told, code, now)
        self._start_discovery(told or (), wanted, now)
        self._publish_health(wanted, now)

    def _read_registry(self) -> list[SpiderProcess] | None:
        """Renew the lease and return the registry; None while Redis is away."""
        try:
            mine = self._lease.renew()
            told = registry.processes(self._client)
        except redis.RedisError as error:
            trouble = f"Redis is away, only missing spiders are started: {error}"
            self._outages["Redis"].tell(log, trouble)
            return None
        self._outages["Redis"].tell(log, "")
        self._outages["lease"].tell(log, "" if mine else "another keeper has the lease, this one waits")
        return told

    def _settled_code(self, now: datetime) -> Code | None:
        """Return the deployed code, None while it still changes: half a deploy is no version."""
        found = code_version()
        if not self._code or self._code.version != found:
            self._code = Code(found, now)
        settles = timedelta() <= now - self._code.since < timedelta(seconds=DEPLOY_SETTLE_SECONDS())
        is_accepted = self._watch is None or self._watch.accepted == found
        if settles or not is_accepted:  # a clock that was set back delays nothing
            return None
        return self._code

    def _start_discovery(
        self, told: Sequence[SpiderProcess], wanted: Mapping[str, int], now: datetime
    ) -> None:
        """Start the daily walk of the prefectures' sites on the first scrapyd once all queues are served."""
        first, serving = self._scrapyds[0], {each.system for each in told if each.state == "serving"}
        if wanted and serving >= wanted.keys() and not first.is_away:
            running = first.running.get(daily_schedule.NAME, 0)
            first.start_walk(daily_schedule.NAME, self._daily.missing(running, now), now)

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
            "machines": len(present) if len(present) > 1 else 0,  # each has proofs, too
        }
        seen |= {name: found for name, found in beside.items() if found}
        with suppress(redis.RedisError):  # logged by _read_registry already; /api/health asks Redis itself
            self._client.set(SEEN, json.dumps(seen), ex=_SEEN_SECONDS)


def wanted_processes() -> dict[str, int]:
    """Return how many spiders each queue needs on each scrapyd, by its name: none where no desk is to be checked."""
    used = {queue_of(desk) for desk in desks().values() if desk.schedulable}
    return {str(queue): queue.processes for queue in sorted(used)}
