"""A run of chaos fails when a background job failed for good or came too late."""

from datetime import timedelta

import pytest

from api.models.base import engine, session
from api.models.job_run import JobResult, JobRun
from configs.clock import clock
from deploy.chaos.job_accounts import JobAccount, count_job_runs

pytestmark = pytest.mark.usefixtures("database", "frozen")


def keep(job: str, due: float, result: JobResult | None = None) -> None:
    at = clock() - timedelta(seconds=due)
    with session() as s:
        s.add(JobRun(job=job, due_at=at, next_nudge_at=at, ended_at=result and clock(), result=result))


def test_runs_are_counted_by_what_became_of_them() -> None:
    assert count_job_runs(engine(), clock(), 45) == JobAccount()
    keep("check_days", 100, JobResult.DONE)
    keep("check_days", 90, JobResult.DONE)
    keep("check_days", 80, JobResult.FAILED)
    keep("check_days", 46)
    keep("drop_job_runs", 44)
    assert count_job_runs(engine(), clock(), 45) == JobAccount(done=2, failed=1, late=1)
