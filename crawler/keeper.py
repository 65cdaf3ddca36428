"""Keeper: makes this machine's scrapyd run its node's share of the spiders: SPIDER_PROCESSES for each queue in all.

A missing spider is started; one that is old, large, silent or outdated is replaced
(crawler/spider_processes/replacement_policy.py decides). Of several keepers of one node the one with the lease acts;
of all nodes' keepers one assigns the shares (crawler/spider_processes/fleet.py).
"""

import json
import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import redis

from configs.clock import clock
from configs.deployed_files import code_version, release_version
from configs.file_watch import FileWatch
from configs.outage_log import OutageLog
from configs.prefecture import desks
from configs.setting_groups.crawling import DEFAULT_NODE
from configs.settings import settings
from crawler.discovery import daily_schedule
from crawler.discovery.daily_schedule import Daily
from crawler.scheduling.queues import CrawlQueue, queue_of
from crawler.spider_processes import registry
from crawler.spider_processes.fleet import Fleet, FleetState
from crawler.spider_processes.lease import Lease
from crawler.spider_processes.node import count_waiting_proofs, make_report
from crawler.spider_processes.registry import SpiderProcess
from crawler.spider_processes.replacement_policy import Code, Decision, Job, decide, is_pointless
from crawler.spider_processes.scrapyd_client import Jobs, Scrapyd, ScrapydAway
from crawler.spider_processes.start_backoff import StartBackoff

log = logging.getLogger(__name__)

SEEN = "keeper:seen"
_SEEN_SECONDS = 45


class Keeper:
    """State of one keeper between two runs; what is lost of it the next runs find again."""

    def __init__(self, scrapyd: Scrapyd, client: redis.Redis, watch: FileWatch | None = None) -> None:
        """`watch` tries what is deployed: no spider is replaced for files that it refuses."""
        self._scrapyd = scrapyd
        self._watch = watch
        self._client = client
        self._lease = Lease(client, _lease_name())
        self._fleet = Fleet(client)
        self._own = self._settled = code_version()
        self._release = release_version()  # as of the settled version
        self._code: Code | None = None
        self._starts: defaultdict[str, StartBackoff] = defaultdict(StartBackoff)
        self._heard: dict[str, datetime] = {}  # when a job last spoke, or was first seen
        self._asked: dict[str, datetime] = {}  # when a job was asked to end
        self._outages: defaultdict[str, OutageLog] = defaultdict(OutageLog)
        self._daily = Daily()
        self._away_since: datetime | None = None  # since when scrapyd is away

    def run(self, stop: threading.Event) -> None:
        """Run each KEEPER_SECONDS until `stop` is set, or until newer code has proved that it works."""
        while not stop.is_set():
            if not self.run_once(clock()):
                log.info("newer code is deployed and its spiders run: the keeper ends, to be restarted")
                break
            stop.wait(settings().keeper_seconds)
        with suppress(redis.RedisError):  # then they run out
            self._lease.leave()
            self._fleet.leave()

    def run_once(self, now: datetime) -> bool:
        """Start missing spiders, end surplus ones, replace those that need it, and report to /api/health.

        False: this keeper itself runs old code, and all spiders run the new one.
        """
        told, code = self._read_registry(), self._settled_code(now)
        if not self._lease.held:
            return True
        jobs = self._read_jobs(now)
        report = make_report(
            now,
            self._release,
            wanted=wanted_processes(),
            running={system: len(each) for system, each in jobs.running.items()} if jobs else {},
            away_since=self._away_since,
            spool=self._count_waiting_proofs(),
        )
        fleet = self._fleet.update(report, now)
        if jobs:
            self._act(jobs, told, fleet, code, now)
        if fleet.leads:
            self._publish_health(now, fleet)
        return bool(self._away_since) or not self._is_superseded(code, told or [], fleet.share or {})

    def _read_jobs(self, now: datetime) -> Jobs | None:
        """Return scrapyd's jobs; None while it is away."""
        try:
            return self._scrapyd.jobs()
        except ScrapydAway as error:
            self._scrapyd_lost(error, now)
            return None

    def _count_waiting_proofs(self) -> int:
        try:
            return count_waiting_proofs(self._client)
        except redis.RedisError:  # logged by _read_registry already
            return 0

    def _scrapyd_lost(self, error: ScrapydAway, now: datetime) -> None:
        self._say("scrapyd", str(error))
        self._away_since = self._away_since or now

    def _act(
        self,
        jobs: Jobs,
        told: list[SpiderProcess] | None,
        fleet: FleetState,
        code: Code | None,
        now: datetime,
    ) -> None:
        """Start, replace and end this machine's spiders; without a share nothing is decided yet."""
        self._release_dead_leases(jobs, told or ())
        self._update_attempts(jobs, told or (), now)
        try:
            if fleet.share is not None:
                for system in sorted((fleet.share.keys() | jobs.running.keys()) - {daily_schedule.NAME}):
                    seen = self._observe_jobs(system, jobs.running.get(system, []), told, now)
                    kept = _count_kept(system, seen, fleet, told)
                    self._adjust_jobs(system, seen, fleet.share.get(system, 0), code, now, kept=kept)
                self._start_discovery(told or (), fleet, now)
        except ScrapydAway as error:
            self._scrapyd_lost(error, now)
        else:
            self._say("scrapyd", "")
            self._away_since = None

    def _read_registry(self) -> list[SpiderProcess] | None:
        """Renew the lease and return the registry; None while Redis is away."""
        try:
            mine = self._lease.renew()
            told = registry.processes(self._client)
        except redis.RedisError as error:
            self._say("Redis", f"Redis is away, only missing spiders are started: {error}")
            return None
        self._say("Redis", "")
        self._say("lease", "" if mine else _describe_other())
        return told

    def _settled_code(self, now: datetime) -> Code | None:
        """Return the deployed code, None while it still changes: half a deploy is no version."""
        found = code_version()
        if not self._code or self._code.version != found:
            self._code = Code(found, now)
        settles = timedelta() <= now - self._code.since < timedelta(seconds=settings().deploy_settle_seconds)
        is_accepted = self._watch is None or self._watch.accepted == found
        if settles or not is_accepted:  # a clock that was set back delays nothing
            return None
        if found != self._settled:
            self._settled, self._release = found, release_version()
        return self._code

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
        self, system: str, jobs: Sequence[Job], share: int, code: Code | None, now: datetime, *, kept: int
    ) -> None:
        """Carry out what is decided for one queue; `kept`: how many jobs beyond the share stay until others run."""
        self._warn_of_futility(system, jobs, code)
        chosen = decide(jobs, share + kept, code, now)
        if kept:  # other nodes take over what runs here: nothing is replaced meanwhile
            chosen = replace(chosen, start=0)
        self._start(system, chosen, now)
        for job, why in chosen.end:
            log.info("%s: job %s is asked to end: %s", system, job, why)
            self._scrapyd.cancel(job)
            self._asked[job] = now
            self._starts[system].cancel(job)
        for each in jobs:
            self._kill_overdue(system, each.id, now)

    def _start_discovery(self, told: Sequence[SpiderProcess], fleet: FleetState, now: datetime) -> None:
        """Start the daily walk of the prefectures' sites once all queues are served; it ends by itself."""
        serving, running = {each.system for each in told if each.state == "serving"}, fleet.running
        ready = fleet.runs_discovery and serving >= fleet.wanted.keys()
        missing = self._daily.missing(running.get(daily_schedule.NAME, 0), now) if ready else 0
        self._start(daily_schedule.NAME, Decision(missing, "the day's walk"), now)

    def _kill_overdue(self, system: str, job: str, now: datetime) -> None:
        """Kill a job that was asked to end longer than KEEPER_KILL_SECONDS ago."""
        asked, patience = self._asked.get(job), timedelta(seconds=settings().keeper_kill_seconds)
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

    def _is_superseded(
        self, code: Code | None, told: Sequence[SpiderProcess], wanted: Mapping[str, int]
    ) -> bool:
        """Whether the code is newer than ours, and runs in every wanted spider."""
        if not code or code.version == self._own:
            return False
        new = Counter(
            each.system for each in told if each.version == code.version and each.state == "serving"
        )
        return all(new[system] >= number for system, number in wanted.items())

    def _publish_health(self, now: datetime, fleet: FleetState) -> None:
        """Report all nodes to /api/health. What only several nodes can lack is named where it is lacking."""
        away = [each.name for each in fleet.reports if each.away_since and each.name != fleet.node]
        away += [fleet.node] if self._away_since else []
        seen: dict[str, Any] = {
            "at": now.isoformat(),
            "scrapyd": "down" if len(away) == len(fleet.reports) else "ok",
            "running": fleet.running,
            "wanted": fleet.wanted,
        }
        lacking = {
            "away": away if seen["scrapyd"] == "ok" else [],
            "gone": fleet.gone,
            "missing": fleet.missing,
        }
        seen |= {name: found for name, found in lacking.items() if found}
        with suppress(redis.RedisError):  # logged by _read_registry already; /api/health asks Redis itself
            self._client.set(SEEN, json.dumps(seen), ex=_SEEN_SECONDS)

    def _warn_of_futility(self, system: str, jobs: Sequence[Job], code: Code | None) -> None:
        useless = [
            each.process for each in jobs if code and each.process and is_pointless(each.process, code)
        ]
        self._say(
            f"{system}'s version",
            f"{system}: {useless[0].name} still runs version {useless[0].version} although it started after"
            f" {code.version} was deployed; check scrapyd's working directory and environment (a restart will not help)"
            if useless and code
            else "",
        )

    def _say(self, who: str, trouble: str) -> None:
        """Log a trouble once, and its end."""
        if trouble and self._outages[who].begin(trouble):
            log.warning("%s", trouble)
        elif not trouble and (before := self._outages[who].end()):
            log.info("over: %s", before)


def wanted_processes() -> dict[str, int]:
    """Return how many spiders each queue needs, by its name: none where no desk is to be checked."""
    used = {queue_of(desk) for desk in desks().values() if desk.schedulable}
    return {str(queue): queue.processes for queue in sorted(used)}


def _count_kept(
    system: str, jobs: Sequence[Job], fleet: FleetState, told: Sequence[SpiderProcess] | None
) -> int:
    live = None
    if told is not None:
        live = sum(each.system == system and each.state != "ending" for each in told)
    return fleet.count_kept(system, sum(job.stays for job in jobs), live)


def _lease_name() -> str:
    node = settings().node
    return "keeper" if node == DEFAULT_NODE else f"keeper:{node}"


def _describe_other() -> str:
    node = settings().node
    if node == DEFAULT_NODE:
        return "another keeper has the lease, this one waits"
    return f"another keeper has the lease of node {node}, this one waits: is NODE the same on two machines?"
