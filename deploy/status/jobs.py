"""The queues of jobs in Redis: how many wait, and for how long."""

from dataclasses import dataclass
from datetime import datetime

from rich.text import Text
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from api.models.notification import MATCHING, QUEUES
from configs.clock import clock
from deploy.status.parallel_probe import queue
from deploy.status.text import BAD, GOOD, ODD, join_pieces, line

_LATE = 1.0  # seconds; a job that waits longer shows that something is slow


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
    client = queue()
    return [_waiting(Queue(name, connection=client, serializer=JSONSerializer), clock()) for name in QUEUES]


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


def lines(part: list[WaitingJobs]) -> list[Text]:
    """Say it; of the channels' queues, those in which something waits or failed."""
    told = [each for each in part if each.name in MATCHING or each.jobs or each.failed]
    return [join_pieces(_jobs_line(each) for each in told)]


def _jobs_line(each: WaitingJobs) -> Text:
    said = line(f"{each.name} ", (str(each.jobs), ODD if each.jobs else GOOD))
    if each.oldest_seconds is not None:
        said.append(f" (oldest {each.oldest_seconds:.1f} s)", BAD if each.oldest_seconds > _LATE else "")
    return said.append(f" {each.failed} failed", BAD) if each.failed else said
