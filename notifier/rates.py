"""Rate tokens, shared by all processes: how many messages a second a provider takes, and one chat of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from api.models.base import session
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.clock import clock
from configs.settings import settings
from notifier.nudges import Waiting
from notifier.queues import redis

# Who finds no token free gets a place in line: the instant of its token, at which it comes again. A window that
# slides over the last second, places in line included, never holds more than the rate.
# KEYS: the line (a sorted set: notification, instant), the chat's next free instant. ARGV: notification, now in
# seconds, messages a second, seconds between two messages of a chat (0: any), how long a line is remembered.
_TAKE = """
local now, rate, apart = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local mine = redis.call('ZSCORE', KEYS[1], ARGV[1])
if mine then
  if tonumber(mine) > now then return mine end
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  return ARGV[2]
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[5]))
local free = now
local before = redis.call('ZREVRANGE', KEYS[1], rate - 1, rate - 1, 'WITHSCORES')
if before[2] then free = math.max(free, tonumber(before[2]) + 1) end
if apart > 0 then free = math.max(free, tonumber(redis.call('GET', KEYS[2]) or '0')) end
local text = string.format('%.6f', free)
redis.call('ZADD', KEYS[1], text, ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(free - now) + tonumber(ARGV[5]))
if apart > 0 then
  redis.call('SET', KEYS[2], string.format('%.6f', free + apart), 'PX', math.ceil((free - now + apart) * 1000))
end
return text
"""
_REMEMBERED_SECONDS = 60

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many messages a second all together, and how many seconds between two to the same address."""

    per_second: int
    apart: float = 0


def rate_of(channel: Channel) -> Rate | None:
    """Return what a channel's provider allows; None where nothing is known to be too much."""
    now = settings()
    if (
        channel is Channel.TELEGRAM
    ):  # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
        return Rate(now.telegram_per_second, now.telegram_chat_seconds)
    if channel is Channel.SMS:
        return Rate(now.sms_per_second)
    return None


def allow(waiting: Waiting) -> bool:
    """Take a token for a notification; without one, have the sweep nudge it again when it is its turn."""
    rate = rate_of(waiting.channel)
    if rate is None:
        return True
    now = clock()
    try:
        turn = datetime.fromtimestamp(float(_take(waiting, rate, now)), now.tzinfo)
    except RedisError as error:
        # Whoever sends too much is told so by the provider.
        log.warning("no rate tokens: Redis is away", because=type(error).__name__)
        return True
    if turn <= now:
        return True
    _wait(waiting, turn)
    return False


def _take(waiting: Waiting, rate: Rate, now: datetime) -> bytes:
    line = f"rate:{waiting.channel.value}"
    keys = [line, f"{line}:{waiting.contact_id}"]
    told: list[str | float] = [
        str(waiting.id),
        f"{now.timestamp():.6f}",
        rate.per_second,
        rate.apart,
        _REMEMBERED_SECONDS,
    ]
    return bytes(_script()(keys=keys, args=told, client=redis()))


@lru_cache(maxsize=1)
def _script() -> Script:
    return redis().register_script(_TAKE)


def _wait(waiting: Waiting, turn: datetime) -> None:
    """Put the nudge off, not the attempt: whoever is told something else meanwhile is told this too."""
    due = sa.update(Notification).where(Notification.id == waiting.id, Notification.state == State.PENDING)
    with session() as opened:
        opened.execute(due.values(next_nudge_at=turn + timedelta(milliseconds=1)))
