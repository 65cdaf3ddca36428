"""Overview of the background jobs: of each, how its newest run ended, and the run that is due or under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from api.admin.health.reading import read_session
from api.models.job_run import JobResult, JobRun
from api.paging import read_id_time
from configs.ground.clock import clock
from configs.ground.formatting import format_duration

_LATE = timedelta(minutes=5)  # for a run that no worker has
_RECENT = timedelta(days=3)  # every job runs within this time; all runs of a month would take long to read


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job. Fields of the newest run that ended are None before the first; those of the open run, without one."""

    job: str
    ended_at: datetime | None
    result: JobResult | None
    error: str | None  # of the newest run; of the open one, where an attempt failed
    counts: dict[str, Any] | None
    due_at: datetime | None  # of the open run, which moves to the newest due time until a worker takes it
    planned_at: datetime | None  # of the open run: when it was written
    runs: bool  # whether a worker holds the open run


def read_job_runs() -> list[JobStatus]:
    """Read the newest rows of each job that ran or was due lately, in the order of their names."""
    now = clock()
    ended = (
        sa.select(JobRun)
        .where(JobRun.ended_at.is_not(None), JobRun.due_at >= now - _RECENT)
        .ext(distinct_on(JobRun.job))
        .order_by(JobRun.job, JobRun.due_at.desc())
    )
    with read_session() as s:
        last = {run.job: run for run in s.scalars(ended)}
        open_runs = {run.job: run for run in s.scalars(sa.select(JobRun).where(JobRun.ended_at.is_(None)))}
    return [_describe(name, last.get(name), open_runs.get(name), now) for name in sorted(last | open_runs)]


def _describe(name: str, last: JobRun | None, current: JobRun | None, now: datetime) -> JobStatus:
    return JobStatus(
        job=name,
        ended_at=last.ended_at if last else None,
        result=last.result if last else None,
        error=current.error if current and current.error else last.error if last else None,
        counts=last.counts if last else None,
        due_at=current.due_at if current else None,
        planned_at=_find_planned(current, now) if current else None,
        runs=bool(current and current.lease_until and current.lease_until > now),
    )


def _find_planned(run: JobRun, now: datetime) -> datetime:
    planned = read_id_time(run.id)
    return planned if planned <= now else run.due_at  # a clock was ahead


def find_job_troubles(jobs: Sequence[JobStatus], since: datetime | None = None) -> list[str]:
    """Return in words the jobs whose newest run failed, in whole or for some rows, and those that no worker takes.

    A run waits since it was planned, not since its due time: a job of a new stack or release may have been due hours
    before. `since` is when the scheduler began: runs that a stopped stack left wait since then.
    """
    now = clock()
    failed = [f"{each.job} failed ({each.error})" for each in jobs if each.result is JobResult.FAILED]
    in_part = [
        f"{each.job} failed for {each.counts['failed']} of its rows, its log says why"
        for each in jobs
        if each.counts and each.counts.get("failed")
    ]
    waits = {
        each.job: now - max(each.planned_at, since or each.planned_at)
        for each in jobs
        if each.planned_at and not each.runs
    }
    late = [f"{job} is {format_duration(wait)} late" for job, wait in waits.items() if wait > _LATE]
    return failed + in_part + late
