"""Rates of providers: a counter per channel and second in Redis, shared by all processes.

Queues decide who goes first: whoever finds no place sleeps until the next second.
"""

from collections.abc import Callable
from time import sleep

import structlog
from redis.exceptions import RedisError

from api.models.user import Channel
from configs.constants import Constant
from configs.job_queues import redis

# How many calls a second Twilio begins; it queues the others, which would then ring late
_CALLS_PER_SECOND = Constant("CALLS_PER_SECOND", 1)
# How many messages a second Telegram takes of one bot, all chats together:
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
_TELEGRAM_PER_SECOND = Constant("TELEGRAM_PER_SECOND", 30)
# How many SMS a second Twilio takes of the number or service that they come from
_SMS_PER_SECOND = Constant("SMS_PER_SECOND", 10)

_SECOND = 1000  # milliseconds, from a second's first message on

log = structlog.get_logger(__name__)


def per_second(channel: Channel) -> int | None:
    """Return how many messages a second a channel's provider takes; None where no limit is known."""
    limits = {
        Channel.TELEGRAM: _TELEGRAM_PER_SECOND,
        Channel.SMS: _SMS_PER_SECOND,
        Channel.VOICE: _CALLS_PER_SECOND,
    }
    return limits[channel]() if channel in limits else None


def take_place(channel: Channel, may_wait: Callable[[], bool]) -> bool:
    """Take a place in this second or, while `may_wait` says so, in a later one; return whether there was one."""
    if (most := per_second(channel)) is None:
        return True
    while (seconds := _count(channel, most)) > 0:
        if not may_wait():
            return False
        sleep(seconds)
    return True


def _count(channel: Channel, most: int) -> float:
    """Count a message; return how long the second lasts that has no place for it, 0 where it has."""
    asking, key = redis().pipeline(), _key(channel)
    asking.incr(key)
    asking.pexpire(key, _SECOND, nx=True)
    asking.pttl(key)
    try:
        count, _, milliseconds = asking.execute()
    except RedisError as error:
        # The provider itself refuses what is too much.
        log.warning("no rate: Redis is away", because=type(error).__name__)
        return 0.0
    return max(milliseconds, 1) / _SECOND if count > most else 0.0


def _key(channel: Channel) -> str:
    return f"notifier:rate:{channel.value}"
