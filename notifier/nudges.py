"""The queue: tells a worker that a row waits. Jobs carry an id and nothing else; losing one loses nothing."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from api.models.base import session
from api.models.notification import Notification, Priority
from configs.redis import redis_client
from configs.settings import settings

_MATCH = "notifier.jobs.match"
_CATCH_UP = "notifier.jobs.catch_up"
_REARM = "notifier.jobs.rearm"
_DELIVER = "notifier.jobs.deliver"
_AT_ONCE = 500  # jobs in one round trip
_KEPT_SECONDS = 3600  # of a job that a dying worker took with it, or that failed
_MATCH_SECONDS = 60
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


def queue(name: str) -> Queue:
    """Return the queue of a priority; what is in it is JSON, as unpickling runs whatever Redis holds."""
    return Queue(name, connection=_redis(settings().require("redis_url")), serializer=JSONSerializer)


@contextmanager
def _forgiving(what: str) -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        log.warning("not nudged, the sweep will", what=what, because=type(error).__name__)


def _push(name: str, function: str, key: str, job_id: str, *, kept: float = _KEPT_SECONDS) -> None:
    try:
        queue(name).enqueue_call(
            func=function, args=(key,), job_id=job_id, unique=True, timeout=_MATCH_SECONDS,
            result_ttl=0, ttl=math.ceil(kept), failure_ttl=math.ceil(kept), description=job_id,
        )  # fmt: skip
    except DuplicateJobError:
        log.debug("already nudged", job=job_id)


def match(detection_id: UUID, times: int = 0) -> None:
    """Have a detection matched; `times` is how often it was nudged before."""
    with _forgiving("match"):
        _push(Priority.CRITICAL, _MATCH, str(detection_id), f"match-{detection_id}-{times}")


def catch_up(alert_id: UUID) -> None:
    """Have an alert told of what is open; each change of an alert asks anew."""
    with _forgiving("catch_up"):
        _push(Priority.CRITICAL, _CATCH_UP, str(alert_id), f"catch_up-{alert_id}-{uuid4()}")


def rearm(desk_ids: Iterable[str]) -> None:
    """Have the open slots of desks told to who was not told yet; a round that nobody took is worth nothing later."""
    with _forgiving("rearm"):
        for desk_id in desk_ids:
            job_id = f"rearm-{hashlib.sha256(desk_id.encode()).hexdigest()[:32]}"
            _push(Priority.SCHEDULED, _REARM, desk_id, job_id, kept=settings().rearm_seconds)


def nudge(notification_ids: list[UUID]) -> None:
    """Have notifications delivered, each by its own priority."""
    if not notification_ids:
        return
    chosen = sa.select(Notification.id, Notification.priority).where(Notification.id.in_(notification_ids))
    with session() as opened:
        waiting = [(row.id, row.priority, 0) for row in opened.execute(chosen)]
    deliver(waiting)


def deliver(waiting: Iterable[tuple[UUID, Priority, int]]) -> None:
    """Have notifications delivered: id, priority, how often it was nudged before."""
    jobs: dict[Priority, list[tuple[UUID, int]]] = {}
    for notification_id, priority, times in waiting:
        jobs.setdefault(priority, []).append((notification_id, times))
    with _forgiving("deliver"):
        for priority, several in jobs.items():
            _push_all(queue(priority), several)


def _push_all(to: Queue, several: list[tuple[UUID, int]]) -> None:
    seconds = math.ceil(settings().lease_seconds)
    for start in range(0, len(several), _AT_ONCE):
        to.enqueue_many(
            Queue.prepare_data(
                _DELIVER, args=(str(each),), job_id=f"deliver-{each}-{times}", timeout=seconds,
                result_ttl=0, ttl=_KEPT_SECONDS, failure_ttl=_KEPT_SECONDS, description="deliver",
            )
            for each, times in several[start : start + _AT_ONCE]
        )  # fmt: skip
