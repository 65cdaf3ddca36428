"""Background jobs in one process, on a real database and a real Redis; jobs are what a test says."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
import redis

from api.jobs import turns
from api.jobs.__main__ import JobLoop
from api.jobs.registry import Job
from api.models.base import session
from api.models.job import JOB_QUEUES
from configs.ground.clock import clock


def make_job(name: str, run: Callable[[], dict[str, int]], **period: float) -> Job:
    return Job(name, run, timedelta(**period))


def note(done: list[Any], what: Any) -> Callable[[], dict[str, int]]:
    """Return a job that appends this to a list, or what it returns, and counts what is there."""

    def run() -> dict[str, int]:
        done.append(what() if callable(what) else what)
        return {"number": len(done)}

    return run


def run_due(jobs: Iterable[Job]) -> None:
    """Do all that is due or nudged, as workers do that begin now."""
    jobs = list(jobs)
    if jobs:
        with session() as s:
            turns.add_jobs(s, jobs, clock())
    for queue in JOB_QUEUES:
        loop = JobLoop(queue, jobs)
        while loop.run_once():
            pass


@pytest.fixture
def done(database: str, redis_server: redis.Redis) -> list[str]:
    """Give a list of the jobs that ran, in their order."""
    return []


@pytest.fixture
def hourly(done: list[str]) -> Job:
    return make_job("hourly", note(done, "hourly"), hours=1)


@pytest.fixture
def daily(done: list[str]) -> Job:
    return make_job("daily", note(done, "daily"), days=1)
