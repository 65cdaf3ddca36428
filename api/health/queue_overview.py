"""Overview of the queues of jobs in Redis: how many wait, and for how long."""

from dataclasses import dataclass
from datetime import datetime

from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from api.health.parallel_probe import open_redis
from api.models.job_run import JOB_QUEUES
from api.models.notification import QUEUES
from configs.clock import clock


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
    ids = jobs.get_job_ids(0, 1)
    age = _age(jobs, ids[0], now) if ids else None
    return WaitingJobs(jobs.name, jobs.count, age, jobs.failed_job_registry.count)


def _age(jobs: Queue, job_id: str, now: datetime) -> float | None:
    try:
        job = Job.fetch(job_id, connection=jobs.connection, serializer=JSONSerializer)
    except NoSuchJobError:  # taken meanwhile, or too old: its row is nudged again
        return None
    return round((now - job.enqueued_at).total_seconds(), 3) if job.enqueued_at else None
