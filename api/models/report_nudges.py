"""Nudges of the loop that reads reports: one entry in Redis stands for all that wait in the table."""

import structlog
from redis import Redis
from redis.exceptions import RedisError

from configs.ground.redis import redis

_KEY = "nudges:reports"
log = structlog.get_logger(__name__)


def ask_read_reports() -> None:
    """Have waiting reports read now; the loop finds them within a second where Redis is away."""
    try:
        if not redis().llen(_KEY):
            redis().rpush(_KEY, 1)
    except RedisError as error:
        log.warning("not nudged, the loop will", what="reports", because=type(error).__name__)


def wait_for_reports(client: Redis, seconds: float) -> None:
    """Return at the next nudge, or after so many seconds.

    Raises:
        redis.RedisError: Redis is away.
    """
    if client.blpop([_KEY], seconds):
        client.delete(_KEY)
