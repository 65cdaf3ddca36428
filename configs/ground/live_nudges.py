"""Nudge of the live streams: it says that notices were written, and carries nothing."""

from configs.ground.job_queues import redis
from configs.ground.live_channel import CHANNEL


def nudge_streams() -> None:
    """Have the streams look at the table.

    Raises:
        redis.exceptions.RedisError: Redis is away; the streams poll the table then.
    """
    redis().publish(CHANNEL, b"")
