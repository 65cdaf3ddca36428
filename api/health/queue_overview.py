"""Overview of the queues of jobs in Redis: how many wait, and for how long."""

from dataclasses import dataclass
from datetime import datetime

from rq import Queue
from rq.serializers import JSONSerializer

from api.health.parallel_probe import open_redis
from api.models.job_run import JOB_QUEUES
from api.models.notification import QUEUES
from configs.clock import clock
from configs.job_queues import read_oldest_seconds


@dataclass(frozen=True, slots=True)
class WaitingJobs:
    """One queue of jobs."""

    name: str
    jobs: int
    oldest_seconds: float | None
    failed: int


def read_jobs() -> list[WaitingJobs]:
    """Read RQ's queues.

    Raises:
        redis.RedisError: Redis is away.
    """
    client = open_redis()
    names = (*QUEUES, *JOB_QUEUES)
    return [_waiting(Queue(name, connection=client, serializer=JSONSerializer), clock()) for name in names]


def _waiting(jobs: Queue, now: datetime) -> WaitingJobs:
    age = read_oldest_seconds(jobs, now)
    return WaitingJobs(jobs.name, jobs.count, age, jobs.failed_job_registry.count)
