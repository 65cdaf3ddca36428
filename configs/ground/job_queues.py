"""RQ queues that two programs share: the process's Redis client, and how a job is put into a queue."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.job import Job
from rq.serializers import JSONSerializer

from configs.ground.redis import open_redis
from configs.settings import settings

# Longest time of one attempt at a job
JOB_SECONDS = 600

KEPT_SECONDS = 3600  # a job that a dying worker took with it, or that failed

log = structlog.get_logger(__name__)


@lru_cache(maxsize=2)
def _redis(_url: str) -> Redis:
    return open_redis()


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


def name_job(queue_name: str, what: str) -> str:
    """Return the id of a job: it begins with its queue's name, by which rules of Redis can tell whose it is."""
    return f"{queue_name}-{what}"


def push(
    name: str, function: str, arguments: tuple[object, ...], what: str, *, seconds: int, kept: int
) -> None:
    """Queue one job for at most `seconds` of work, `kept` so long; one that waits by that name already is enough."""
    job_id = name_job(name, what)
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
        ValueError: the job does not say when it was queued.
    """
    first = cast("bytes | None", jobs.connection.lindex(jobs.key, 0))
    key = Job.redis_job_namespace_prefix.encode() + first if first else b""
    at = cast("bytes | None", jobs.connection.hget(key, "enqueued_at")) if first else None
    # Nothing: it was taken meanwhile, or is too old and its row is nudged again.
    if not at:
        return None
    queued = datetime.fromisoformat(at.decode())
    # RQ writes UTC; what says no zone must not end the sweep, which expects a ValueError alone.
    return round((now - (queued if queued.tzinfo else queued.replace(tzinfo=UTC))).total_seconds(), 3)
