"""RQ queues that two programs share: the process's Redis client, and how a job is put into a queue."""

from datetime import datetime
from functools import lru_cache

import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from configs.redis import redis_client
from configs.settings import settings

KEPT_SECONDS = 3600  # a job that a dying worker took with it, or that failed
_SOCKET_SECONDS = 2.0

log = structlog.get_logger(__name__)


def without_retries(client: Redis) -> Redis:
    """Return the client so that it says at once that Redis is away; its own default is to try ten times."""
    client.set_retry(Retry(NoBackoff(), 0))
    return client


@lru_cache(maxsize=2)
def _redis(_url: str) -> Redis:
    client = without_retries(redis_client())
    client.connection_pool.connection_kwargs["socket_timeout"] = _SOCKET_SECONDS
    return client


def redis() -> Redis:
    """Return the process's client for short calls."""
    return _redis(settings().require("redis_url"))


def connect() -> None:
    """Connect the process's client now, where Redis answers, so that the first short call does not wait for it."""
    try:
        redis().ping()
    except RedisError as error:
        log.info("redis away: the first call connects", because=type(error).__name__)


def queue(name: str) -> Queue:
    """Return a queue; what is in it is JSON, as unpickling runs whatever Redis holds."""
    return Queue(name, connection=redis(), serializer=JSONSerializer)


def push(
    name: str, function: str, arguments: tuple[object, ...], job_id: str, *, seconds: int, kept: int
) -> None:
    """Queue one job for at most `seconds` of work, `kept` so long; one that waits by that id already is enough."""
    later = redis().pipeline(transaction=False)  # RQ lists the queue in it: the job need not wait for that
    try:
        queue(name).enqueue_call(
            func=function, args=arguments, job_id=job_id, unique=True, timeout=seconds,
            result_ttl=0, ttl=kept, failure_ttl=kept, description=job_id, pipeline=later,
        )  # fmt: skip
    except DuplicateJobError:
        log.debug("already nudged", job=job_id)
    later.execute()


def read_oldest_seconds(jobs: Queue, now: datetime) -> float | None:
    """Return how long the oldest job of a queue has waited; None where none waits.

    Raises:
        redis.RedisError: Redis is away.
    """
    ids = jobs.get_job_ids(0, 1)
    try:
        job = Job.fetch(ids[0], connection=jobs.connection, serializer=JSONSerializer) if ids else None
    except NoSuchJobError:  # taken meanwhile, or too old: its row is nudged again
        return None
    return round((now - job.enqueued_at).total_seconds(), 3) if job and job.enqueued_at else None
