"""One scrapyd and its spiders, as the keeper sees them. What is lost of it the next looks find again."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import redis

from configs.outage_log import OutageLog
from crawler.scheduling.queues import CrawlQueue, queue_names
from crawler.spider_processes import registry
from crawler.spider_processes.registry import SpiderProcess
from crawler.spider_processes.replacement_policy import Code, Decision, Job, decide, is_pointless
from crawler.spider_processes.scrapyd_client import Jobs, Scrapyd, ScrapydAway
from crawler.spider_processes.start_backoff import StartBackoff

# How long a spider process may take to end after it was asked to; then it is killed
_KEEPER_KILL_SECONDS = 30

log = logging.getLogger(__name__)


class KeptScrapyd:
    """Starts, replaces and ends the spiders of one scrapyd. `running`: jobs by queue as of the last look."""

    def __init__(self, scrapyd: Scrapyd, client: redis.Redis) -> None:
        self._scrapyd = scrapyd
        self._client = client
        self.running: dict[str, int] = {}
        self.is_away = False
        self._starts: defaultdict[str, StartBackoff] = defaultdict(StartBackoff)
        self._heard: dict[str, datetime] = {}  # when a job last spoke, or was first seen
        self._asked: dict[str, datetime] = {}  # when a job was asked to end
        self._troubles: defaultdict[str, OutageLog] = defaultdict(OutageLog)

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return self._scrapyd.address

    def keep(
        self,
        wanted: Mapping[str, int],
        told: Sequence[SpiderProcess] | None,
        code: Code | None,
        now: datetime,
    ) -> None:
        """Have as many spiders of each queue run as are wanted. `told` is the registry, None while Redis is away."""
        self.running = {}
        try:
            jobs = self._scrapyd.jobs()
            self.running = {system: len(each) for system, each in jobs.running.items()}
            self._release_dead_leases(jobs, told or ())
            self._update_attempts(jobs, told or (), now)
            for system in sorted(wanted.keys() | jobs.running.keys() & set(queue_names())):
                seen = self._observe_jobs(system, jobs.running.get(system, []), told, now)
                self._adjust_jobs(system, seen, wanted.get(system, 0), code, now)
        except ScrapydAway as error:
            self._is_lost(error)
        else:
            self._troubles["scrapyd"].tell(log, "")
            self.is_away = False

    def start_walk(self, spider: str, processes: int, now: datetime) -> None:
        """Start so many processes of a spider that serves no queue and ends by itself."""
        try:
            self._start(spider, Decision(processes, "the day's walk"), now)
        except ScrapydAway as error:
            self._is_lost(error)

    def _is_lost(self, error: ScrapydAway) -> None:
        self._troubles["scrapyd"].tell(log, str(error))
        self.is_away = True

    def _release_dead_leases(self, jobs: Jobs, told: Sequence[SpiderProcess]) -> None:
        """Free the leases of processes that scrapyd saw die: they would be held for SEAT_SECONDS."""
        with suppress(redis.RedisError):  # then they free themselves
            for process in told:
                if process.job in jobs.finished:
                    if process.job not in self._asked and process.state != "ending":
                        log.warning("%s: job %s died unexpectedly", process.system, process.job)
                    registry.evict(self._client, process)
        for gone in (self._heard.keys() | self._asked.keys()) & jobs.finished:
            self._heard.pop(gone, None)
            self._asked.pop(gone, None)

    def _update_attempts(self, jobs: Jobs, told: Sequence[SpiderProcess], now: datetime) -> None:
        speaking = {process.job for process in told}
        for system, starts in self._starts.items():
            starts.see({job: job in speaking for job in jobs.running.get(system, ())}, now)

    def _observe_jobs(
        self, system: str, jobs: Sequence[str], told: Sequence[SpiderProcess] | None, now: datetime
    ) -> list[Job]:
        """Return a queue's jobs as known. None counts as silent while Redis is away."""
        speaking = {process.job: process for process in told or ()}
        for job in jobs:
            if told is None or job in speaking or job not in self._heard:
                self._heard[job] = now
        return [
            Job(
                job,
                speaking.get(job),
                (now - self._heard[job]).total_seconds(),
                job in self._asked,
                patience=self._starts[system].patience(job),
            )
            for job in jobs
        ]

    def _adjust_jobs(
        self, system: str, jobs: Sequence[Job], wanted: int, code: Code | None, now: datetime
    ) -> None:
        """Carry out what is decided for one queue."""
        self._warn_of_futility(system, jobs, code)
        chosen = decide(jobs, wanted, code, now)
        self._start(system, chosen, now)
        for job, why in chosen.end:
            log.info("%s: job %s is asked to end: %s", system, job, why)
            self._scrapyd.cancel(job)
            self._asked[job] = now
            self._starts[system].cancel(job)
        for each in jobs:
            self._kill_overdue(system, each.id, now)

    def _kill_overdue(self, system: str, job: str, now: datetime) -> None:
        """Kill a job that was asked to end longer than KEEPER_KILL_SECONDS ago."""
        asked, patience = self._asked.get(job), timedelta(seconds=_KEEPER_KILL_SECONDS)
        if asked and now - asked > patience:
            log.warning("%s: job %s was asked to end at %s and still runs: it is killed", system, job, asked)
            self._scrapyd.cancel(job, kill=True)
            self._asked[job] = now

    def _start(self, system: str, chosen: Decision, now: datetime) -> None:
        """Start what was decided, once the pause after the last failure is over."""
        if not self._starts[system].may_start(now):
            return
        for _ in range(chosen.start):
            job = self._scrapyd.schedule(CrawlQueue.parse(system))
            self._starts[system].begin(job, now)
            log.info("%s: started as job %s (%s)", system, job, chosen.why)

    def _warn_of_futility(self, system: str, jobs: Sequence[Job], code: Code | None) -> None:
        useless = [
            each.process for each in jobs if code and each.process and is_pointless(each.process, code)
        ]
        self._troubles[f"{system}'s version"].tell(
            log,
            f"{system}: {useless[0].name} still runs version {useless[0].version} although it started after"
            f" {code.version} was deployed; check the release, working directory and environment of scrapyd at"
            f" {self.address} (a restart will not help)"
            if useless and code
            else "",
        )
