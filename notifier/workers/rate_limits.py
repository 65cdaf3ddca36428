"""Rate tokens, shared by all processes: how many messages a second a provider takes, and one chat of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from api.models.base import session
from api.models.notification import Notification, Priority, State
from api.models.user import Channel
from configs.clock import clock
from configs.settings import settings
from notifier.nudges import WaitingWork
from notifier.workers.queues import redis

# A sliding window: no second holds more grants than the rate.
# A critical message without a token gets a place in line, the instant at which it asks again: one place for all that
# wait for the same contact, as they leave together. All others leave room for the places of the next second, and of the
# last two, whose owners the sweep still brings. A place is no grant: a message that comes late counts anew, and goes to
# the end of the line where no token is left. Messages of lower priority hold no place: they get instants to ask again
# at, one after the other, and leave a fifth of the rate free.
# Instants further ahead than any can rightly be (grants 5 s, the line as long as it is, others an hour) are those of a
# clock that was set ahead: they count for nothing.
# KEYS: grants (sorted set: notification and instant, instant), the line (sorted set: contact, instant), the last
# instant that a message of no hurry was told, the chat's last grant. ARGV: notification, now in seconds, messages a
# second, seconds between two messages of a chat (0: any), how long a line is remembered, whether it is critical, its
# place.
_TAKE = """
local id, now, rate, apart = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kept, critical, place = tonumber(ARGV[5]), ARGV[6] == '1', ARGV[7]
local function text(instant) return string.format('%.6f', instant) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. text(now + 5), '+inf')
local longest = kept + redis.call('ZCARD', KEYS[2]) / rate
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. text(now + longest), '+inf')
local function known(key, latest)
  local instant = tonumber(redis.call('GET', key) or '0')
  return instant <= now + latest and instant or 0
end
local mine = redis.call('ZSCORE', KEYS[2], place)
if mine and tonumber(mine) > now then return mine end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - 1))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', text(now - kept))
local used = redis.call('ZCARD', KEYS[1])
if not mine then used = used + redis.call('ZCOUNT', KEYS[2], text(now - 2), '(' .. text(now + 1)) end
local most = critical and rate or math.max(1, rate - math.ceil(rate / 5))
local chat = apart > 0 and known(KEYS[4], 5) + apart or 0
redis.call('ZREM', KEYS[2], place)
if used < most and chat <= now then
  redis.call('ZADD', KEYS[1], text(now), id .. ':' .. text(now))
  redis.call('EXPIRE', KEYS[1], kept)
  if apart > 0 then redis.call('SET', KEYS[4], text(now), 'EX', math.ceil(apart) + kept) end
  return text(now)
end
if not critical then
  local last = known(KEYS[3], 3600)
  local again = text(math.max(now + 1, last + 1 / most, chat))
  redis.call('SET', KEYS[3], again, 'EX', math.ceil(again - now) + kept)
  return again
end
local ahead = redis.call('ZCOUNT', KEYS[2], '(' .. text(now), '+inf')
local before
if ahead >= rate then before = redis.call('ZREVRANGE', KEYS[2], rate - 1, rate - 1, 'WITHSCORES')
else before = redis.call('ZREVRANGE', KEYS[1], rate - ahead - 1, rate - ahead - 1, 'WITHSCORES') end
local free = math.max(chat, now + 0.001)
if before[2] then free = math.max(free, tonumber(before[2]) + 1)
elseif used >= most then free = math.max(free, now + 1) end
redis.call('ZADD', KEYS[2], text(free), place)
redis.call('EXPIRE', KEYS[2], math.ceil(free - now) + kept)
return text(free)
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


def allow(waiting: WaitingWork) -> bool:
    """Take a token for a notification; without one, have the sweep nudge it again when it is its turn.

    A critical message holds its turn, before all messages of no hurry; those hold none, and ask anew.
    """
    turn = find_turn(waiting)
    if turn is None or turn <= clock():
        return True
    _wait(waiting, turn)
    return False


def find_turn(waiting: WaitingWork) -> datetime | None:
    """Return when a notification may leave: now, with its token taken, or later; None where nothing limits it."""
    rate = rate_of(waiting.channel)
    if rate is None:
        return None
    now = clock()
    try:
        return datetime.fromtimestamp(float(_take(waiting, rate, now)), now.tzinfo)
    except RedisError as error:
        # Whoever sends too much is told so by the provider.
        log.warning("no rate tokens: Redis is away", because=type(error).__name__)
        return None


def _take(waiting: WaitingWork, rate: Rate, now: datetime) -> bytes:
    line = f"rate:{waiting.channel.value}"
    keys = [line, f"{line}:line", f"{line}:later", f"{line}:{waiting.contact_id}"]
    critical = waiting.priority is Priority.CRITICAL
    told: list[str | float] = [
        str(waiting.id),
        f"{now.timestamp():.6f}",
        rate.per_second,
        rate.apart,
        _REMEMBERED_SECONDS,
        int(critical),
        str((critical and waiting.contact_id) or waiting.id),
    ]
    return bytes(_script()(keys=keys, args=told, client=redis()))


@lru_cache(maxsize=1)
def _script() -> Script:
    return redis().register_script(_TAKE)


def _wait(waiting: WaitingWork, turn: datetime) -> None:
    """Put the nudge off, not the attempt: whoever is told something else meanwhile is told this too."""
    due = sa.update(Notification).where(Notification.id == waiting.id, Notification.state == State.PENDING)
    with session() as opened:
        opened.execute(due.values(next_nudge_at=turn + timedelta(milliseconds=1)))
