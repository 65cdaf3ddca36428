"""Counters in Redis of the checks that could not be recorded at all: written by spiders, read by health."""

from datetime import date, timedelta
from typing import cast

from redis import Redis

_KEPT = timedelta(days=2)


def count_dropped(client: Redis, queue: str, number: int, today: date) -> None:
    """Count checks of a due queue that were dropped today (UTC).

    Raises:
        redis.RedisError: Redis is away.
    """
    client.hincrby(_key(today), queue, number)
    client.expire(_key(today), _KEPT)


def read_dropped(client: Redis, today: date) -> dict[str, int]:
    """Return how many checks were dropped today and yesterday, by due queue.

    Raises:
        redis.RedisError: Redis is away.
    """
    found: dict[str, int] = {}
    for day in (today, today - timedelta(days=1)):
        for queue, number in cast("dict[bytes | str, bytes]", client.hgetall(_key(day))).items():
            name = queue.decode() if isinstance(queue, bytes) else queue
            found[name] = found.get(name, 0) + int(number)
    return dict(sorted(found.items()))


def _key(day: date) -> str:
    return f"crawler:checks:dropped:{day}"
