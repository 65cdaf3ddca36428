"""Nudges of the background program: a list in Redis for each of its queues, of jobs that are to begin at once.

A nudge may be lost: what waits stands in tables, and the schedule finds it there.
"""

from typing import cast

import structlog
from redis.exceptions import RedisError

from configs.ground.redis import redis

KEPT_SECONDS = 3600  # without the program, which finds everything in the tables when it is back

log = structlog.get_logger(__name__)


def ask_job(queue: str, job: str, argument: str = "", *, most: int | None = None) -> None:
    """Have a job begin now; the schedule does it where Redis is away, or more than `most` nudges wait already."""
    key = f"nudges:{queue}"
    try:
        if most is not None and redis().llen(key) > most:
            return
        with redis().pipeline(transaction=False) as calls:
            calls.rpush(key, f"{job} {argument}")
            calls.expire(key, KEPT_SECONDS)
            calls.execute()
    except RedisError as error:
        log.warning("not nudged, the schedule will", job=job, because=type(error).__name__)


def take_nudge(queue: str, seconds: float = 0.0) -> tuple[str, str] | None:
    """Return the name and the argument of the next nudge, waiting for it so long; None without one.

    Raises:
        redis.RedisError: Redis is away.
    """
    key = f"nudges:{queue}"
    if seconds:
        found = cast("list[bytes] | None", redis().blpop([key], seconds))
        entry = found[1] if found else None
    else:
        entry = cast("bytes | None", redis().lpop(key))
    if entry is None:
        return None
    name, _, argument = entry.decode("utf-8", "replace").partition(" ")
    return name, argument
