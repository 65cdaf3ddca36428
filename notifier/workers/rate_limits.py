"""Rate limits of providers, shared by all processes: messages a second, and seconds between two of one chat."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files

import sqlalchemy as sa
import structlog
from redis.commands.core import Script
from redis.exceptions import RedisError

from api.models.base import session
from api.models.notification import Notification, Priority, State
from api.models.user import Channel
from configs.clock import clock
from configs.job_queues import redis
from configs.settings import settings
from notifier.nudges import WaitingWork

_REMEMBERED_SECONDS = 60

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """What a provider takes."""

    per_second: int  # messages, all together
    apart: float = 0  # seconds between two to the same address
    reserved: int = 0  # of them for slot alerts that few people get


def rate_of(channel: Channel) -> Rate | None:
    """Return what a channel's provider takes; None where no limit is known."""
    now = settings()
    if (
        channel is Channel.TELEGRAM
    ):  # https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
        return Rate(now.telegram_per_second, now.telegram_chat_seconds, now.telegram_reserved)
    if channel is Channel.SMS:
        return Rate(now.sms_per_second, reserved=now.sms_reserved)
    if channel is Channel.VOICE:
        return Rate(now.calls_per_second)
    return None


def allow(waiting: WaitingWork) -> bool:
    """Take a token for a notification; without one, have the sweep nudge it again when it is its turn.

    A critical message holds its turn, before all others; those hold none, and ask again.
    """
    turn = find_turn(waiting)
    if turn is None or turn <= clock():
        return True
    put_off(waiting, turn)
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
        # The provider itself refuses what is too much.
        log.warning("no rate tokens: Redis is away", because=type(error).__name__)
        return None


def _take(waiting: WaitingWork, rate: Rate, now: datetime) -> bytes:
    line = f"rate:{waiting.channel.value}"
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
    ]
    return bytes(_script()(keys=keys, args=arguments, client=redis()))


@lru_cache(maxsize=1)
def _script() -> Script:
    return redis().register_script(
        (files("notifier.workers") / "lua" / "take_rate_token.lua").read_text("utf-8")
    )


def put_off(waiting: WaitingWork, turn: datetime) -> None:
    """Put off the nudge, not the attempt: another message to the contact meanwhile carries this one too."""
    due = sa.update(Notification).where(Notification.id == waiting.id, Notification.state == State.PENDING)
    with session() as opened:
        opened.execute(due.values(next_nudge_at=turn + timedelta(milliseconds=1)))
