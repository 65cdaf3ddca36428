"""Overview of the background jobs: of each, how it ended the last time, and whether it is due or under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from api.admin.health.reading import read_session
from api.models.job import JobResult, JobState
from configs.ground.clock import clock
from configs.ground.formatting import format_duration

_LATE = timedelta(minutes=5)  # for a job that no worker takes


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job. Fields of its last end are None before the first."""

    job: str
    ended_at: datetime | None
    result: JobResult | None
    error: str | None  # of the newest attempt
    counts: dict[str, Any] | None
    due_at: datetime | None  # since when a worker may take it; None where it is not due
    runs: bool  # whether a worker has it


def read_job_states() -> list[JobStatus]:
    """Read the row of each job, in the order of their names."""
    now = clock()
    with read_session() as s:
        rows = s.scalars(sa.select(JobState).order_by(JobState.name)).all()
    return [
        JobStatus(
            job=row.name,
            ended_at=row.ended_at,
            result=row.result,
            error=row.error,
            counts=row.counts,
            due_at=row.free_at if row.free_at <= now else None,
            runs=row.turn_ends_at is not None and row.turn_ends_at > now,
        )
        for row in rows
    ]


def find_job_troubles(jobs: Sequence[JobStatus], since: datetime | None = None) -> list[str]:
    """Return in words the jobs that failed the last time, in whole or for some rows, and those that no worker takes.

    `since` is when their workers began: jobs that a stopped stack left wait since then.
    """
    now = clock()
    failed = [f"{each.job} failed ({each.error})" for each in jobs if each.result is JobResult.FAILED]
    in_part = [
        f"{each.job} failed for {each.counts['failed']} of its rows, its log says why"
        for each in jobs
        if each.counts and each.counts.get("failed")
    ]
    waits = {each.job: now - max(each.due_at, since or each.due_at) for each in jobs if each.due_at}
    late = [f"{job} is {format_duration(wait)} late" for job, wait in waits.items() if wait > _LATE]
    return failed + in_part + late
