"""Health checks of everything that an alert needs on its way; all run at once, with a short time limit."""

import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Any, NamedTuple

import sqlalchemy as sa
import structlog
from redis import Redis, RedisError
from rq import Worker
from sqlalchemy.exc import SQLAlchemyError

from api.health.backup_overview import describe_backups, find_backup_troubles, read_backups
from api.health.certificate import CertificateTrouble, check_certificates
from api.health.job_overview import find_job_troubles, read_job_runs
from api.health.message_overview import find_provider_troubles
from api.health.payment_overview import (
    describe_payments,
    find_open_cases,
    find_payment_troubles,
    read_payments,
)
from api.health.queue_health import CLOCKS_DIFFER, HEALTH_AGE_SECONDS, check_queues
from api.models.base import session, takes_writes
from api.models.check import Check
from api.models.desk import DeskState
from api.models.job_run import JOB_QUEUES
from api.models.key_losses import find_lost_data_keys
from api.models.notification import QUEUES
from api.models.partitions import count_days_ahead
from configs.clock import clock
from configs.constants import Constant
from configs.database_errors import read_refusal
from configs.dropped_checks import read_dropped
from configs.formatting import format_duration, pluralize
from configs.job_queues import read_refused
from configs.loop_report import BACKGROUND, FRESH, STREAM, read_report
from configs.proof_spool_status import SpoolReport, read_reports
from configs.refused_files import RefusedFiles, read_refusals
from configs.settings import settings

# With fewer days ahead than this health calls the table degraded
_PARTITION_DAYS_LOW = Constant("PARTITION_DAYS_LOW", 7)

PATIENCE = 1.5  # seconds
MINOR = frozenset(
    {
        "background",
        "backups",
        "certificate",
        "files",
        "keys",
        "partitions",
        "payments",
        "proofs",
        "providers",
        "records",
        "streams",
    }
)  # alerts are delivered without these parts, except to contacts whose key is missing
_SEEN = "keeper:seen"
log = structlog.get_logger(__name__)


class PartDown(Exception):
    """A part does not work; the text says what is wrong."""


class PartState(StrEnum):
    """State of a part. `degraded`: it does not work as it should, but alerts are delivered."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class PartFinding(NamedTuple):
    """State of a part, and the reason."""

    state: PartState
    reason: str


HealthAnswer = str | dict[str, PartFinding]
HealthCheck = Callable[[], HealthAnswer]  # text about its own part, or findings by part


class HealthChecks:
    """Runs all checks at once. A check that hangs is not started a second time.

    A part in `minor` is degraded at worst.
    """

    def __init__(self, probes: Mapping[str, HealthCheck], minor: Collection[str] = MINOR) -> None:
        self._probes = dict(probes)
        self._minor = frozenset(minor)
        self._threads = ThreadPoolExecutor(len(probes), thread_name_prefix="probe")
        self._running: dict[str, Future[HealthAnswer]] = {}
        self._lock = Lock()

    def report(self) -> dict[str, PartFinding]:
        """Return the state of each part, after PATIENCE seconds at the latest."""
        with self._lock:
            for name, probe in self._probes.items():
                if name not in self._running or self._running[name].done():
                    self._running[name] = self._threads.submit(probe)
            asked = dict(self._running)
        wait(asked.values(), PATIENCE)
        found: dict[str, PartFinding] = {}
        for name, future in asked.items():
            found |= self._findings(name, future)
        return found

    def _findings(self, name: str, future: "Future[HealthAnswer]") -> dict[str, PartFinding]:
        trouble = _describe_failure(name, future)
        if trouble is None:
            answer = future.result()
            return answer if isinstance(answer, dict) else {name: PartFinding(PartState.OK, answer)}
        return {name: PartFinding(PartState.DEGRADED if name in self._minor else PartState.DOWN, trouble)}


def _describe_failure(name: str, future: "Future[HealthAnswer]") -> str | None:
    """Return what is wrong with a part; None if it works."""
    if not future.done():
        return f"no answer within {PATIENCE} s"
    error = future.exception()
    if error is None:
        return None
    if isinstance(error, PartDown):
        return str(error)
    if isinstance(error, SQLAlchemyError | RedisError):
        log.warning("a part is down", part=name, error=str(error))
        return f"does not answer ({type(error).__name__})"
    # A check that raises must not hide the other parts.
    log.error("a part cannot be asked", part=name, exc_info=error)
    return f"cannot be asked ({type(error).__name__})"


def find_worst_state(findings: Mapping[str, PartFinding]) -> PartState:
    """Return the state of all parts together: that of the worst."""
    return max((each.state for each in findings.values()), key=list(PartState).index, default=PartState.OK)


def list_health_checks(redis: Redis) -> dict[str, HealthCheck]:
    """Return the check of each part."""
    return {
        "database": lambda: _check_database(redis),
        "redis": lambda: _check_redis(redis),
        "keys": _check_keys,
        "eviction": lambda: _check_eviction(redis),
        "scrapyd": lambda: _check_scrapyd(redis),
        "workers": lambda: _check_workers(redis),
        "planner": lambda: _check_planner(redis),
        "background": lambda: _check_background(redis),
        "checks": lambda: _check_checks(redis),
        "partitions": _check_partitions,
        "payments": _check_payments,
        "providers": _check_providers,
        "proofs": lambda: _check_proofs(redis),
        "records": lambda: _check_records(redis),
        "streams": lambda: _check_streams(redis),
        "backups": _check_backups,
        "certificate": _check_certificate,
        "files": lambda: _check_files(redis),
    }


def _check_database(redis: Redis) -> str:
    if not takes_writes():
        raise PartDown("takes no writes: it is a standby, or set read-only")
    with suppress(RedisError):  # the part `redis` reports it
        if refused := read_refusal(redis):
            raise PartDown(f"a write was refused within the last minute ({refused})")
    return "answers"


def _check_keys() -> str:
    with session() as s:
        troubles = find_lost_data_keys(s)
    if troubles:
        raise PartDown("; ".join(troubles))
    return "what they encrypted can be read"


def _check_redis(redis: Redis) -> str:
    redis.ping()
    return "answers"


def _check_eviction(redis: Redis) -> str:
    memory: Any = redis.info("memory")  # not CONFIG GET: hosted servers refuse it
    policy = memory["maxmemory_policy"]
    if policy != "noeviction":
        raise PartDown(f"maxmemory-policy is {policy}: set noeviction, or jobs are lost without a word")
    return "noeviction"


def _check_scrapyd(redis: Redis) -> HealthAnswer:
    seen: Any = redis.get(_SEEN)
    if seen is None:
        raise PartDown("the keeper has not reported lately: is `scrapy plan` running?")
    found = json.loads(seen)
    if found["scrapyd"] != "ok":
        raise PartDown(f"scrapyd is {found['scrapyd']}, as the keeper saw it at {found['at']}")
    running, wanted = found["running"], found["wanted"]
    if missing := found.get("missing"):
        short = ", ".join(f"{name} has {wanted[name] - n} of {wanted[name]}" for name, n in missing.items())
        raise PartDown(f"spider processes are missing: {short}")
    text = (
        ", ".join(f"{name}: {pluralize(number, 'spider')}" for name, number in running.items())
        or "no spider runs"
    )
    if away := found.get("away"):  # the others check all desks meanwhile
        return {"scrapyd": PartFinding(PartState.DEGRADED, f"scrapyd at {', '.join(away)} is down; {text}")}
    return text


def _check_workers(redis: Redis) -> HealthAnswer:
    return _judge_refused(redis, QUEUES, "workers", _check_listeners(redis, QUEUES))


def _check_listeners(redis: Redis, expected: Collection[str]) -> str:
    # A killed worker keeps its key until the key expires.
    alive = [worker.queue_names() for worker in Worker.all(connection=redis)]
    listeners = {queue: sum(queue in queues for queues in alive) for queue in expected}
    if idle := [queue for queue, workers in listeners.items() if not workers]:
        raise PartDown(f"no worker listens to {', '.join(idle)}")
    return ", ".join(f"{queue}: {workers}" for queue, workers in listeners.items())


def _judge_refused(redis: Redis, expected: Collection[str], part: str, text: str) -> HealthAnswer:
    """Name jobs that were none of ours: somebody writes to Redis who should not, or a release had other jobs."""
    refused = {name: number for name, number in read_refused(redis).items() if name in expected}
    if not refused:
        return text
    named = ", ".join(f"{name}: {number}" for name, number in refused.items())
    reason = f"jobs were refused lately, the workers' logs say why: {named}; {text}"
    return {part: PartFinding(PartState.DEGRADED, reason)}


def _check_background(redis: Redis) -> HealthAnswer:
    report = read_report(redis, BACKGROUND)
    if report is None:
        raise PartDown("the scheduler has not reported lately: is `python -m api.background` running?")
    if report.failing:
        named = ", ".join(f"{part} ({error})" for part, error in report.failing.items())
        raise PartDown(f"parts of the scheduler fail, its log says why: {named}")
    listeners = _check_listeners(redis, JOB_QUEUES)
    if troubles := find_job_troubles(read_job_runs(), report.since):
        raise PartDown("; ".join(troubles))
    return _judge_refused(redis, JOB_QUEUES, "background", listeners)


def _check_planner(redis: Redis) -> str:
    report = read_report(redis)
    if report is None:
        raise PartDown("the planner has not reported lately: is `scrapy plan` running?")
    age = _measure_age(report.at, "the planner's report")
    if age > FRESH:
        raise PartDown(
            f"the planner's report is {format_duration(age)} old: is `scrapy plan` stuck, or a clock set wrong?"
        )
    if report.failing:
        named = ", ".join(f"{part} ({error})" for part, error in report.failing.items())
        raise PartDown(f"parts of the planner fail, its log says why: {named}")
    return "all its parts run"


def _check_records(redis: Redis) -> str:
    dropped = read_dropped(redis, clock().date())
    if dropped:
        named = ", ".join(f"{queue}: {number}" for queue, number in dropped.items())
        raise PartDown(f"checks could not be recorded since yesterday, the spiders' logs say why: {named}")
    return "every check is recorded"


def _check_streams(redis: Redis) -> str:
    report = read_report(redis, STREAM)
    if report is None:
        raise PartDown("the live streams have not reported lately: is `python -m api.stream` running?")
    return f"{pluralize(report.streams, 'stream')} open"


def _measure_age(at: datetime, what: str) -> timedelta:
    """Return the age of an instant that another program wrote; zero for a small difference of clocks.

    Raises:
        PartDown: the instant lies in the future, so a machine's clock is or was wrong.
    """
    age = clock() - at
    if age < -CLOCKS_DIFFER:
        raise PartDown(
            f"{what} is of {format_duration(-age)} from now: a machine's clock is, or was, set wrong"
        )
    return max(age, timedelta())


def _check_checks(redis: Redis) -> dict[str, PartFinding]:
    try:
        newest = PartFinding(PartState.OK, _check_newest())
    except PartDown as trouble:
        newest = PartFinding(PartState.DOWN, str(trouble))
    queues = {
        f"checks:{name}": PartFinding(PartState.OK if works else PartState.DOWN, reason)
        for name, (works, reason) in check_queues(_read_queues(redis)).items()
    }
    return {"checks": newest} | queues


def _read_queues(redis: Redis) -> dict[str, datetime]:
    """Return since when each due queue has desks; empty without Redis or with an unreadable report."""
    try:
        report = read_report(redis)
    except (RedisError, ValueError):  # the parts `redis` and `planner` report it
        return {}
    return report.queues if report else {}


def _check_newest() -> str:
    interval = sa.func.greatest(DeskState.wished_seconds, DeskState.feasible_seconds)
    past = Check.started_at <= clock() + CLOCKS_DIFFER
    with session() as s:
        fastest, newest, ahead = s.execute(
            sa.select(
                sa.select(sa.func.min(interval)).scalar_subquery(),
                sa.select(sa.func.max(Check.started_at)).where(past).scalar_subquery(),
                sa.select(sa.func.max(Check.started_at)).where(~past).scalar_subquery(),
            )
        ).one()
    if fastest is None:
        return "no desk is scheduled"
    if newest is None and ahead is None:
        raise PartDown("desks are scheduled, but none was checked yet")
    age = _measure_age(newest or ahead, "the newest check")
    allowed = timedelta(seconds=max(HEALTH_AGE_SECONDS(), 2 * fastest))
    if age > allowed:
        raise PartDown(
            f"the newest check is {age.total_seconds():.0f} s old: {allowed.total_seconds():.0f} s are allowed"
        )
    return f"the newest is {age.total_seconds():.0f} s old"


def _check_partitions() -> str:
    with session() as s:
        ahead = count_days_ahead(s, clock().date())
    text = f"{pluralize(ahead, 'day')} of checks are made ahead"
    if ahead < _PARTITION_DAYS_LOW():
        raise PartDown(f"{text}: the job make_partitions makes them, the log of `background` says what fails")
    return text


def _check_payments() -> str:
    found = read_payments()
    troubles = find_payment_troubles(found)
    if find_open_cases(found):  # everybody reads health; operators read which cases
        troubles.append("an operator must settle something: see the status")
    if troubles:
        raise PartDown("; ".join(troubles))
    return describe_payments(found)


def _check_providers() -> str:
    if troubles := find_provider_troubles():
        raise PartDown("; ".join(troubles))
    return "none of their circuit breakers is open"


def _check_backups() -> str:
    if settings().backup_url is None:
        return "nothing is backed up: BACKUP_URL is not set"
    found = read_backups()
    if troubles := find_backup_troubles(found):
        raise PartDown("; ".join(troubles))
    return describe_backups(found)


def _check_certificate() -> str:
    try:
        return check_certificates()
    except CertificateTrouble as trouble:
        raise PartDown(str(trouble)) from None


def _check_files(redis: Redis) -> str:
    refusals = read_refusals(redis)
    if not refusals:
        return "every program follows the deployed files"
    # programs refuse the same, and several machines do
    found: dict[str, list[RefusedFiles]] = {}
    for each in refusals:
        found.setdefault(each.reason, []).append(each)
    raise PartDown("; ".join(_describe_refusal(reason, each) for reason, each in found.items()))


def _describe_refusal(reason: str, refusals: list[RefusedFiles]) -> str:
    programs = ", ".join(dict.fromkeys(each.program for each in refusals))
    since = format_duration(max(clock() - min(each.since for each in refusals), timedelta()))
    return f"new files are refused for {since}, the former ones are used ({programs}): {reason}"


def _check_proofs(redis: Redis) -> str:
    reports = read_reports(redis)
    if not reports:
        raise PartDown(
            "nobody has looked at the proofs on their way lately: is `python -m crawler.proofs` running?"
        )
    if troubles := [trouble for each in reports if (trouble := _describe_spool_trouble(each))]:
        raise PartDown("; ".join(troubles))
    return f"{pluralize(sum(each.waiting for each in reports), 'proof')} on the way"


def _describe_spool_trouble(report: SpoolReport) -> str | None:
    """Return what is wrong with one machine's spool, without paths and addresses: this route is public."""
    waiting, now = pluralize(report.waiting, "proof"), clock()
    if report.trouble:
        return "spiders can leave no proof: the disk is full or fails"
    if report.away_since:
        return (
            f"their store takes nothing for {format_duration(now - report.away_since)}: {waiting} on the way"
        )
    if report.oldest_at and _measure_age(report.oldest_at, "the oldest proof") > timedelta(
        seconds=HEALTH_AGE_SECONDS()
    ):
        return (
            f"{waiting} on the way, the oldest for {format_duration(now - report.oldest_at)}:"
            " is `python -m crawler.proofs` running?"
        )
    return None
