"""Makes scrapyd run what should run: SPIDER_PROCESSES spiders for each system that has a desk to check."""

import json
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import redis

from configs.clock import clock
from configs.prefecture import desks
from configs.settings import settings
from crawler.catalogue import system_of
from crawler.scrapyd import Scrapyd, ScrapydAway

log = logging.getLogger(__name__)

SEEN = "keeper:seen"
_SEEN_SECONDS = 60
_LONGEST_PAUSE = 60  # seconds between two starts of a spider that ends again and again
_SETTLED = 120  # seconds after which a spider that ended is no sign of trouble


@dataclass(slots=True)
class Starts:
    """When a system's spiders were last started, and how long the next start has to wait (seconds)."""

    at: datetime
    pause: float


class Keeper:
    """One keeper's memory between two looks."""

    def __init__(self, scrapyd: Scrapyd, client: redis.Redis) -> None:
        self._scrapyd = scrapyd
        self._client = client
        self._starts: dict[str, Starts] = {}
        self._said: dict[str, str] = {}

    def run(self, stop: threading.Event) -> None:
        """Look each KEEPER_SECONDS until told to stop; what is away is waited for."""
        while not stop.is_set():
            self.look(clock())
            stop.wait(settings().keeper_seconds)

    def look(self, now: datetime) -> None:
        """Start what is missing, end what is too much, and leave word for /api/health."""
        wanted = wanted_processes()
        try:
            jobs = self._scrapyd.jobs()
            for system in sorted(wanted.keys() | jobs.keys()):
                self._match(system, jobs.get(system, []), wanted.get(system, 0), now)
        except ScrapydAway as error:
            self._say("scrapyd", str(error))
            self._leave_word(now, "down", {}, wanted)
        else:
            self._say("scrapyd", "")
            self._leave_word(now, "ok", {system: len(each) for system, each in jobs.items()}, wanted)

    def _match(self, system: str, jobs: list[str], wanted: int, now: datetime) -> None:
        missing = wanted - len(jobs)
        if missing > 0 and self._may_start(system, now):
            for _ in range(missing):
                log.info("%s: started as job %s", system, self._scrapyd.schedule(system))
        for job in jobs[wanted:]:
            log.info("%s: job %s is one too many, it is asked to end", system, job)
            self._scrapyd.cancel(job)

    def _may_start(self, system: str, now: datetime) -> bool:
        """Tell whether a missing spider is started now: at once, but ever later where it ends again and again."""
        last, least = self._starts.get(system), settings().keeper_seconds
        since = (now - last.at).total_seconds() if last else _SETTLED
        if last and since < last.pause:
            return False
        pause = min(2 * last.pause, _LONGEST_PAUSE) if last and since < _SETTLED else least
        self._starts[system] = Starts(now, pause)
        return True

    def _leave_word(
        self, now: datetime, scrapyd: str, running: Mapping[str, int], wanted: Mapping[str, int]
    ) -> None:
        seen = {"at": now.isoformat(), "scrapyd": scrapyd, "running": running, "wanted": wanted}
        try:
            self._client.set(SEEN, json.dumps(seen), ex=_SEEN_SECONDS)
        except redis.RedisError as error:
            self._say("Redis", f"Redis is away, /api/health cannot see the keeper: {error}")
        else:
            self._say("Redis", "")

    def _say(self, who: str, trouble: str) -> None:
        """Log a trouble with one of the two servers once, and its end."""
        before, self._said[who] = self._said.get(who, ""), trouble
        if trouble and not before:
            log.warning("%s", trouble)
        elif before and not trouble:
            log.info("over: %s", before)


def wanted_processes() -> dict[str, int]:
    """Return how many spiders each booking system needs: none where no desk is to be checked."""
    used: Counter[str] = Counter(system_of(desk) for desk in desks().values() if desk.schedulable)
    return dict.fromkeys(sorted(used), settings().spider_processes)
