"""Background jobs in one process, on a real database and a real Redis; jobs are what a test says."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis

from api.background import jobs
from api.background.runner import run_job
from api.background.schedule import ScheduledJob
from api.background.scheduler import Scheduler
from api.models.job_run import JOB_QUEUES, PAYMENTS
from configs.ground.job_queues import queue

HOURLY = ScheduledJob("hourly", timedelta(hours=1))
DAILY = ScheduledJob("daily", timedelta(days=1), PAYMENTS)
Job = Callable[[], dict[str, int]]


@pytest.fixture
def done(
    database: str,
    redis_server: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    settings_env: Callable[..., None],
) -> list[str]:
    """Note in a list which jobs ran, in their order; missed ones are not spread."""
    settings_env(JOB_SPREAD_SECONDS="0")
    found: list[str] = []

    def make(name: str) -> Job:
        def job() -> dict[str, int]:
            found.append(name)
            return {"number": len(found)}

        return job

    for each in (HOURLY, DAILY):
        monkeypatch.setattr(jobs, each.name, make(each.name), raising=False)
    return found


@pytest.fixture
def scheduler(done: list[str]) -> Scheduler:
    return Scheduler([HOURLY, DAILY])


@pytest.fixture
def work(redis_server: redis.Redis) -> Callable[[], int]:
    """Give a function that does what waits in the queues, as workers do; it returns how many jobs that were."""

    def run() -> int:
        found = [job for name in JOB_QUEUES for job in queue(name).get_jobs()]
        for job in found:
            job.delete()
            run_job(*job.args)
        return len(found)

    return run
