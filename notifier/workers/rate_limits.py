"""Rate limits of providers, shared by all processes: messages a second, and seconds between two of one chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import cast
from uuid import UUID

import sqlalchemy as sa
import structlog
from redis import Redis
from redis.client import Pipeline
from redis.commands.core import Script
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from api.models.base import session
from api.models.notification import Priority
from api.models.user import Channel
from configs.clock import clock
from configs.constants import Constant
from configs.database_errors import passes
from configs.job_queues import redis
from notifier.nudges import WaitingWork

# How many calls a second Twilio begins
_CALLS_PER_SECOND = Constant("CALLS_PER_SECOND", 1)
# How many messages a second Telegram takes of one bot, all chats together
_TELEGRAM_PER_SECOND = Constant("TELEGRAM_PER_SECOND", 30)
# Least time between two messages to one chat of Telegram
_TELEGRAM_CHAT_SECONDS = Constant("TELEGRAM_CHAT_SECONDS", 1.0)
# Share of TELEGRAM_PER_SECOND (half at most) that is kept for slot alerts to few people beside one to many people
_TELEGRAM_RESERVED = Constant("TELEGRAM_RESERVED", 5)
# How many SMS a second Twilio takes of the number or service that they come from
_SMS_PER_SECOND = Constant("SMS_PER_SECOND", 10)
# Share of SMS_PER_SECOND that is kept in the same way
_SMS_RESERVED = Constant("SMS_RESERVED", 2)

_REMEMBERED_SECONDS = 60
# In the order of ids, and without locked rows: the worker that holds them decides.
_PUT_OFF = sa.text("""
WITH turns AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:turns AS timestamptz[])) AS t(id, turn)),
free AS (
  SELECT n.id, turn FROM turns JOIN notifications n USING (id) WHERE n.state = 'pending'
  ORDER BY n.id FOR NO KEY UPDATE OF n SKIP LOCKED
)
UPDATE notifications n SET next_nudge_at = free.turn FROM free WHERE n.id = free.id""")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a provider takes."""

    per_second: int  # messages, all together
    apart: float = 0  # seconds between two to the same address
    reserved: int = 0  # of them for slot alerts that few people get


def rate_of(channel: Channel) -> Rate | None:
    """Return what a channel's provider takes; None where no limit is known."""
    if (
        channel is Channel.TELEGRAM
    ):  # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
        return Rate(_TELEGRAM_PER_SECOND(), _TELEGRAM_CHAT_SECONDS(), _TELEGRAM_RESERVED())
    if channel is Channel.SMS:
        return Rate(_SMS_PER_SECOND(), reserved=_SMS_RESERVED())
    if channel is Channel.VOICE:
        return Rate(_CALLS_PER_SECOND())
    return None


def allow(waiting: WaitingWork) -> bool:
    """Take a token for a notification; without one, have the sweep nudge it again when it is its turn.

    A critical message holds its turn, before all others; those hold none, and ask again.
    """
    turn = find_turn(waiting)
    if turn is None or turn <= clock():
        return True
    put_off({waiting.id: turn})
    return False


def line_up(several: Sequence[WaitingWork]) -> list[WaitingWork]:
    """Give those of a crowd their places in line; return, in their order, all that are to be nudged now.

    The sweep nudges the others when it is their turn. A job for each of thousands, only to learn when to come again,
    took more time than to send what may leave.
    """
    now = clock()
    limited = {each.id: rate for each in several if _has_line(each) and (rate := rate_of(each.channel))}
    try:
        turns = _find_places([each for each in several if each.id in limited], limited, now)
    except (RedisUnreachable, RedisTimeout) as error:  # no job could be queued either
        log.warning("not nudged, the sweep will", because=type(error).__name__)
        return [each for each in several if each.id not in limited]
    except RedisError as error:
        log.warning("no places in line: their jobs ask for tokens", because=type(error).__name__)
        return [*several]
    later = {key: turn for key, turn in turns.items() if turn > now}
    try:
        put_off(later)
    except (DBAPIError, PoolTimeout) as error:
        if not passes(error):
            raise
        log.warning("not put off, their jobs will", because=type(error).__name__)
        return [*several]
    return [each for each in several if each.id not in later]


def _has_line(waiting: WaitingWork) -> bool:
    """Whether a message is lined up with others; what its contact's cap holds back takes no place."""
    return waiting.in_crowd and not waiting.capped


def _find_places(
    crowd: Sequence[WaitingWork], rates: Mapping[UUID, Rate], now: datetime
) -> dict[UUID, datetime]:
    """Return when each may leave; no token is taken.

    Raises:
        redis.RedisError: Redis is away, or refuses one of them.
    """
    if not crowd:
        return {}
    asking = redis().pipeline(transaction=False)
    for each in crowd:
        _ask(asking, each, rates[each.id], now, place_only=True)
    instants = asking.execute()
    return {
        each.id: datetime.fromtimestamp(float(instant), now.tzinfo)
        for each, instant in zip(crowd, instants, strict=True)
    }


def find_turn(waiting: WaitingWork) -> datetime | None:
    """Return when a notification may leave: now, with its token taken, or later; None where nothing limits it."""
    rate = rate_of(waiting.channel)
    if rate is None:
        return None
    now = clock()
    try:
        return datetime.fromtimestamp(float(_ask(redis(), waiting, rate, now)), now.tzinfo)
    except RedisError as error:
        # The provider itself refuses what is too much.
        log.warning("no rate tokens: Redis is away", because=type(error).__name__)
        return None


def _ask(
    client: Redis | Pipeline, waiting: WaitingWork, rate: Rate, now: datetime, *, place_only: bool = False
) -> bytes:
    """Ask for a token, or only for a place in line; a pipeline answers later."""
    line = f"notifier:rate:{waiting.channel.value}"
    critical = waiting.priority is Priority.CRITICAL
    lines = [f"{line}:line", f"{line}:crowd:line"]
    mine, other = reversed(lines) if critical and waiting.in_crowd else lines
    keys = [line, mine, f"{line}:later", f"{line}:{waiting.contact_id}", f"{line}:crowd", other]
    arguments: list[str | float] = [
        str(waiting.id),
        f"{now.timestamp():.6f}",
        rate.per_second,
        rate.apart,
        _REMEMBERED_SECONDS,
        int(critical),
        str((critical and waiting.contact_id) or waiting.id),
        min(rate.reserved, rate.per_second // 2),
        int(critical and waiting.in_crowd),
        int(place_only),
    ]
    return cast("bytes", _script()(keys=keys, args=arguments, client=client))


@lru_cache(maxsize=1)
def _script() -> Script:
    return redis().register_script(
        (files("notifier.workers") / "lua" / "take_rate_token.lua").read_text("utf-8")
    )


def put_off(turns: Mapping[UUID, datetime]) -> None:
    """Put off nudges, not attempts: another message to the contact meanwhile carries this one too."""
    if not turns:
        return
    after = [turn + timedelta(milliseconds=1) for turn in turns.values()]
    with session() as opened:
        opened.execute(_PUT_OFF, {"ids": [str(each) for each in turns], "turns": after})
