"""Redis clients of all programs."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from configs.settings import settings


def redis_client(answer_seconds: float = 30) -> Redis:
    """Return a new client for REDIS_URL (its pool is its own; connections open at first use).

    Time-outs keep a program from hanging with a Redis that hangs; `answer_seconds` is that of an answer.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    url = settings().require("redis_url")
    return Redis.from_url(
        url, socket_timeout=answer_seconds, socket_connect_timeout=2, health_check_interval=15
    )


def open_redis() -> Redis:
    """Return a client for looking: it says at once that Redis is away, and within two seconds that it hangs.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    client = redis_client(answer_seconds=2)
    client.set_retry(Retry(NoBackoff(), 0))  # the default retries for seconds
    return client
