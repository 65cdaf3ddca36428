"""Health of providers: those of each channel, which circuit breakers leave alone, and their receipts."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa
from redis import Redis
from sqlalchemy.orm import Session

from api.admin.health.deliveries import LEAST_AWAITED, OLD
from api.admin.health.findings import Trouble, raise_troubles, read_session
from api.models.base import first_id_at
from api.models.incident import IncidentReason as Reason
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock
from configs.ground.text import format_duration
from configs.programs.circuit_breaker import PROVIDER_SLOW_SECONDS, CircuitBreaker, provider_rest_seconds
from configs.settings import settings

_HOUR = timedelta(hours=1)
_LEAST_REFUSED = 10  # messages that say that a quota is used up, and no burst met a rate limit
# What the providers' refusals for a limit leave as the reason: HTTP 429, and Twilio's codes.
_LIMITED = r"^\w+ (answered 429|20429|21611|14107)\M"


def list_providers(channel: Channel) -> tuple[str, ...]:
    """Return the providers of a channel, those to try first in front."""
    others = {
        Channel.SMS: ("twilio",),
        Channel.TELEGRAM: ("telegram",),
        Channel.VOICE: ("twilio_calls",),
        Channel.PUSH: ("web_push",),
    }
    return settings().mail_providers if channel is Channel.EMAIL else others[channel]


def read_left_alone(channel: Channel) -> dict[str, float]:
    """Return the providers whose circuit breaker is open, with the seconds until one call tries again."""
    rest, slow = provider_rest_seconds(), PROVIDER_SLOW_SECONDS
    waits = {name: CircuitBreaker(name, rest, slow).read_wait() for name in list_providers(channel)}
    return {name: round(wait, 3) for name, wait in waits.items() if wait}


def check_providers(_: Redis) -> str:
    """Name the providers that are left alone, refuse for a limit, or confirm few messages."""
    with read_session() as s:
        quotas, silent = _find_quotas(s, clock()), _find_missing_receipts(s, clock())
        troubles = [*_find_down(), *quotas, *silent]
    raise_troubles(troubles)
    return "none of their circuit breakers is open"


def _find_down() -> Iterator[str | Trouble]:
    for channel in Channel:
        waits, rest = read_left_alone(channel), provider_rest_seconds()
        # Open, whether or not one call might try again by now
        down = [name for name in list_providers(channel) if CircuitBreaker(name, rest).is_open()]
        away = sorted({*waits, *down})
        others = [name for name in list_providers(channel) if name not in away]
        instead = f"messages leave by {others[0]}" if others else f"no {channel.value} leaves"
        for name in away:
            again = format_duration(timedelta(seconds=waits.get(name, 0)))
            text = f"{name} fails or is slow: it is asked again in {again}, {instead}"
            yield Trouble(Reason.PROVIDER_DOWN, name, text) if name in down else text


def _find_quotas(s: Session, now: datetime) -> list[Trouble]:
    """Return the providers that refuse many messages for a limit, and for longer than a burst lasts."""
    n, number = Notification, sa.func.count()
    provider = sa.func.split_part(n.reason, " ", 1)
    refused = (
        sa.select(provider, number)
        .where(
            n.state.in_([State.PENDING, State.SENDING]),
            n.state == State.PENDING,
            n.reason.regexp_match(_LIMITED),
        )
        .group_by(provider)
        .having(number >= _LEAST_REFUSED, sa.func.min(n.created_at) <= now - OLD)
    )
    return [
        Trouble(Reason.QUOTA, name, f"{name} refuses {messages} messages for a limit", {"number": messages})
        for name, messages in s.execute(refused)
    ]


def _find_missing_receipts(s: Session, now: datetime) -> list[str]:
    """Return in words which providers accept messages and confirm less than half of them in time."""
    n = Notification
    overdue, missing = sa.func.count(), sa.func.count().filter(n.state == State.NO_RECEIPT)
    due = (n.id >= first_id_at(now - _HOUR), n.receipt_due_at <= now)
    found = s.execute(sa.select(n.provider, overdue, missing).where(*due).group_by(n.provider)).all()
    return [
        f"{provider} confirms {messages - lost} of {messages} messages of the last hour: it delivers few, or its"
        f" receipts do not reach /api/hooks/{provider}"
        for provider, messages, lost in sorted(found)
        if messages >= LEAST_AWAITED and 2 * lost > messages
    ]
