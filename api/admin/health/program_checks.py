"""Health of the programs, by what they report in Redis and in their tables; how each job ended the last time."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from redis import Redis
from rq import Worker
from rq.registry import FailedJobRegistry

from api.admin.health.findings import (
    HealthAnswer,
    PartDown,
    PartFinding,
    PartState,
    raise_troubles,
    read_session,
)
from api.admin.health.queue_checks import health_age_seconds, measure_age
from api.models.backup_state import BackupPart, BackupState
from api.models.job import JobResult, JobState
from api.models.notification import QUEUES
from configs.ground.clock import clock
from configs.ground.proof_queue import read_status
from configs.ground.text import format_duration, pluralize
from configs.programs.jobs import name_job
from configs.programs.loop_report import BACKGROUND, FRESH, PLANNER, STREAM, LoopReport, read_report
from configs.programs.matching_queues import MANY

_LATE = timedelta(minutes=5)  # for a job that no worker takes


def read_job_states() -> list[dict[str, Any]]:
    """Return each job's row in the order of their names: how it last ended, and whether it is due or at work."""
    now = clock()
    with read_session() as s:
        rows = s.scalars(sa.select(JobState).order_by(JobState.name)).all()
    return [
        {
            "job": row.name,
            "ended_at": row.ended_at,
            "result": row.result,
            "error": row.error,  # of the newest attempt
            "counts": row.counts,
            "due_at": row.free_at if row.free_at <= now else None,  # since when a worker may take it
            "runs": row.turn_ends_at is not None and row.turn_ends_at > now,  # a worker has it
        }
        for row in rows
    ]


def find_job_troubles(jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return in words the jobs that failed the last time, in whole or for some rows, and those that no worker takes."""
    now = clock()
    failed = [
        f"{each['job']} failed ({each['error']})" for each in jobs if each["result"] is JobResult.FAILED
    ]
    in_part = [
        f"{each['job']} failed for {each['counts']['failed']} of its rows, its log says why"
        for each in jobs
        if each["counts"] and each["counts"].get("failed")
    ]
    waits = {each["job"]: now - each["due_at"] for each in jobs if each["due_at"]}
    late = [f"{job} is {format_duration(wait)} late" for job, wait in waits.items() if wait > _LATE]
    return failed + in_part + late


_SEEN = "crawler:keeper:seen"
_ROUND = "rearm"  # the job that each round over open slots asks for again


def check_scrapyd(redis: Redis) -> HealthAnswer:
    """Read what the keeper saw."""
    seen: Any = redis.get(_SEEN)
    if seen is None:
        raise PartDown("the keeper has not reported lately: is `python -m crawler.loops` running?")
    found = json.loads(seen)
    if found["scrapyd"] != "ok":
        raise PartDown(f"scrapyd is {found['scrapyd']}, as the keeper saw it at {found['at']}")
    running, wanted = found["running"], found["wanted"]
    if missing := found.get("missing"):
        short = ", ".join(f"{name} has {wanted[name] - n} of {wanted[name]}" for name, n in missing.items())
        raise PartDown(f"spider processes are missing: {short}")
    counts = [f"{name}: {pluralize(number, 'spider')}" for name, number in running.items()]
    text = ", ".join(counts) or "no spider runs"
    if away := found.get("away"):  # the others check all desks meanwhile
        return {"scrapyd": PartFinding(PartState.DEGRADED, f"scrapyd at {', '.join(away)} is down; {text}")}
    return text


def check_workers(redis: Redis) -> HealthAnswer:
    """Ask whether each queue of messages has a worker, and whether rounds over open slots fail."""
    text = _check_listeners(redis, QUEUES)
    if troubles := _find_failing_rounds(redis):
        return {"workers": PartFinding(PartState.DEGRADED, "; ".join([*troubles, text]))}
    return text


def _check_listeners(redis: Redis, expected: Collection[str]) -> str:
    # A killed worker keeps its key until the key expires.
    alive = [worker.queue_names() for worker in Worker.all(connection=redis)]
    listeners = {queue: sum(queue in queues for queues in alive) for queue in expected}
    if idle := [queue for queue, workers in listeners.items() if not workers]:
        raise PartDown(f"no worker listens to {', '.join(idle)}")
    return ", ".join(f"{queue}: {workers}" for queue, workers in listeners.items())


def _find_failing_rounds(redis: Redis) -> list[str]:
    """Name the jobs that failed in the latest round: a crowd's part that fails each time is one of each round.

    RQ keeps what failed until the next round. A part that failed once is told by that, and is named no more.
    """
    ids = FailedJobRegistry(MANY, connection=redis).get_job_ids(cleanup=False)
    failed = sum(each.startswith(name_job(MANY, f"{_ROUND}-")) for each in ids)
    why = '"a job failed" in the log of worker-many names the desk and the error; once that is mended they are told'
    return (
        [f"people who wait for open slots are not told, jobs fail: {_ROUND}: {failed}; {why}"]
        if failed
        else []
    )


def check_background(redis: Redis) -> str:
    """Read the reports of the workers of jobs, and how the jobs ended the last time."""
    for queue, key in BACKGROUND.items():
        _read_loop(redis, key, f"the worker of {queue}", "python -m api.jobs")
    raise_troubles(find_job_troubles(read_job_states()))
    return f"{' and '.join(BACKGROUND)} work"


def check_planner(redis: Redis) -> str:
    """Read the planner's report."""
    report = _read_loop(redis, PLANNER, "the planner", "python -m crawler.loops")
    age = measure_age(report.at, "the planner's report")
    if age > FRESH:
        old = format_duration(age)
        raise PartDown(f"the planner's report is {old} old: is it stuck, or a clock set wrong?")
    return "all its parts run"


def check_streams(redis: Redis) -> str:
    """Read the report of the live streams."""
    report = _read_loop(redis, STREAM, "the live streams", "python -m api.stream")
    return f"{pluralize(report.streams, 'stream')} open"


def _read_loop(redis: Redis, key: str, who: str, command: str) -> LoopReport:
    report = read_report(redis, key)
    if report is None:
        has = "have" if who.endswith("s") else "has"
        raise PartDown(f"{who} {has} not reported lately: is `{command}` running?")
    if report.failing:
        named = ", ".join(f"{part} ({error})" for part, error in report.failing.items())
        raise PartDown(f"parts of {who} fail, its log says why: {named}")
    return report


def check_proofs(redis: Redis) -> HealthAnswer:
    """Read the status of the proofs, without paths and addresses: this route is public."""
    status = read_status(redis)
    if status is None:
        raise PartDown("nobody has looked at the proofs lately: is `python -m crawler.proofs` running?")
    waiting = f"{pluralize(status.waiting, 'proof')} on the way"
    if status.away_since:
        raise PartDown(f"their store takes nothing for {_since(status.away_since)}: {waiting}")
    if (
        status.oldest_at
        and measure_age(status.oldest_at, "the oldest proof").total_seconds() > health_age_seconds()
    ):
        raise PartDown(
            f"{waiting}, the oldest for {_since(status.oldest_at)}: `python -m crawler.proofs` says why"
        )
    return waiting


def read_report_times(redis: Redis) -> dict[str, datetime]:
    """Return when each program last reported (UTC), by its service's name; one that has not lately is left out.

    The notifier has reported where each of its queues has a worker, scrapyd where the keeper found all its spiders.
    """
    with read_session() as s:
        logged = s.scalar(sa.select(BackupState.finished_at).where(BackupState.part == BackupPart.WAL))
    seen = json.loads(redis.get(_SEEN) or "{}")
    whole = seen.get("scrapyd") == "ok" and not seen.get("missing") and not seen.get("away")
    proofs = read_status(redis)
    times = {
        "background": _read_oldest(redis, *BACKGROUND.values()),
        "backup": logged,
        "notifier": _read_oldest_heartbeat(redis, QUEUES),
        "planner": _read_oldest(redis, PLANNER),
        "proofs": proofs.at if proofs else None,
        "scrapyd": datetime.fromisoformat(seen["at"]) if whole else None,
        "stream": _read_oldest(redis, STREAM),
    }
    return {name: at for name, at in times.items() if at}


def _read_oldest(redis: Redis, *keys: str) -> datetime | None:
    reports = [read_report(redis, key) for key in keys]
    times = [report.at for report in reports if report]
    return min(times) if len(times) == len(keys) else None


def _read_oldest_heartbeat(redis: Redis, queues: Collection[str]) -> datetime | None:
    """Return the newest heartbeat of each queue's workers, of the queue where it is oldest."""
    newest: dict[str, datetime] = {}
    for worker in Worker.all(connection=redis):
        if at := worker.last_heartbeat:
            newest |= {queue: max(newest.get(queue, at), at) for queue in worker.queue_names()}
    return min((newest[queue] for queue in queues), default=None) if newest.keys() >= set(queues) else None


def _since(moment: datetime) -> str:
    return format_duration(clock() - moment)
