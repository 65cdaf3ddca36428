"""Account of the background jobs of a run: how many ended, failed for good, or are late."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.models.job_run import JobResult, JobRun


@dataclass(frozen=True)
class JobAccount:
    """Numbers of runs; a late one is due for longer than the bound and has not ended."""

    done: int = 0
    failed: int = 0
    late: int = 0


def count_job_runs(engine: sa.Engine, now: datetime, bound: float) -> JobAccount:
    """Count the rows of `job_runs`; `bound` is in seconds."""
    is_late = sa.and_(JobRun.ended_at.is_(None), JobRun.due_at < now - timedelta(seconds=bound))
    conditions = (JobRun.result == JobResult.DONE, JobRun.result == JobResult.FAILED, is_late)
    with engine.connect() as connection:
        counts = [connection.scalar(sa.select(sa.func.count()).where(each)) or 0 for each in conditions]
    return JobAccount(*counts)
