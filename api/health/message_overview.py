"""Overview of the notifications: their states, dead letters, and the providers' recent answers."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from api.health.read_session import read_session
from api.models.notification import Notification, State, waits_as_wished, was_put_off
from api.models.slot import Detection
from api.models.user import Channel
from api.operations.providers import list_providers, read_left_alone
from api.paging import first_id_at
from configs.clock import clock
from configs.formatting import format_duration
from configs.redaction import mask_text

_DAY = timedelta(days=1)
RECENT = timedelta(minutes=15)
_AWAITED = timedelta(hours=1)  # in which receipts are compared with messages
_LEAST_AWAITED = 10  # messages, fewer say nothing about a provider
_ON_THE_WAY = (State.PENDING, State.SENDING)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Permanently failed messages with the same reason."""

    channel: Channel
    reason: str
    number: int
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class MessageOverview:
    """Notifications of a day by state; pending ones and dead letters of any age. Ages are in seconds.

    Detections that wait because the alerts of their desk are held are not among the unmatched ones.
    """

    by_state: dict[str, int]
    on_the_way: int
    oldest_seconds: float | None
    unmatched: int
    oldest_unmatched_seconds: float | None
    dead: list[DeadLetters]


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """One channel in the last RECENT: accepted and failed messages, and the time from page to acceptance.

    `left_alone` has the seconds for which its providers are not called, of those that failed lately.
    """

    channel: Channel
    accepted: int
    failed: int
    again: int
    median_ms: float | None
    newest_at: datetime | None
    left_alone: dict[str, float]


def read_messages() -> MessageOverview:
    """Read the tables."""
    now = clock()
    n, number = Notification, sa.func.count()
    day = sa.select(n.state, number).where(n.created_at >= now - _DAY).group_by(n.state)
    since = sa.case((was_put_off(), n.next_attempt_at), else_=n.created_at)
    waits = sa.select(number, sa.func.min(since)).where(n.state.in_(_ON_THE_WAY))
    waits = waits.where(~sa.and_(waits_as_wished(), n.next_attempt_at > now))
    unmatched = sa.select(number, sa.func.min(Detection.committed_at)).where(Detection.matched_at.is_(None))
    newest = sa.func.max(n.failed_at)
    dead = sa.select(n.channel, sa.func.coalesce(n.reason, ""), number, newest).where(n.state == State.FAILED)
    with read_session() as s:
        on_the_way, oldest = s.execute(waits).one()
        detections, oldest_detection = s.execute(unmatched).one()
        rows: Any = s.execute(dead.group_by(n.channel, n.reason).order_by(newest.desc()))
        return MessageOverview(
            by_state={state.value: found for state, found in s.execute(day)},
            on_the_way=on_the_way,
            oldest_seconds=_measure_age(oldest, now),
            unmatched=detections,
            oldest_unmatched_seconds=_measure_age(oldest_detection, now),
            dead=_group_by_masked_reason(rows),
        )


def _group_by_masked_reason(rows: Iterable[tuple[Channel, str, int, datetime]]) -> list[DeadLetters]:
    """Return the rows, the newest first, without personal data: a provider may repeat the address that it refuses."""
    groups: dict[tuple[Channel, str], DeadLetters] = {}
    for channel, reason, number, newest_at in rows:
        key = channel, mask_text(reason)
        known = groups.get(key, DeadLetters(*key, 0, newest_at))
        groups[key] = replace(known, number=known.number + number)
    return list(groups.values())


def _measure_age(at: datetime | None, now: datetime) -> float | None:
    return round((now - at).total_seconds(), 3) if at else None


def read_providers() -> list[ProviderStatus]:
    """Read the notifications of the last RECENT, one entry per channel."""
    n, since = Notification, clock() - RECENT
    # What its reader wanted later, or what caught up, says nothing of our delays.
    took = sa.case((n.committed_at.is_not(None), sa.extract("epoch", n.accepted_at - n.seen_at) * 1000))
    accepted, failed = n.accepted_at >= since, sa.and_(n.failed_at >= since, n.state == State.FAILED)
    lately = sa.select(
        n.channel,
        sa.func.count().filter(accepted),
        sa.func.count().filter(failed),
        sa.func.count().filter(n.attempts > 1),
        sa.func.percentile_cont(0.5).within_group(took),
        sa.func.max(n.accepted_at),
    ).where(sa.or_(accepted, failed))
    with read_session() as s:
        found = {row[0]: row for row in s.execute(lately.group_by(n.channel))}
    return [_build_provider_status(channel, found.get(channel)) for channel in Channel]


def _build_provider_status(channel: Channel, row: Any) -> ProviderStatus:
    left_alone = read_left_alone(channel)
    if row is None:
        return ProviderStatus(channel, 0, 0, 0, None, None, left_alone)
    _, accepted, failed, again, median, newest = row
    rounded = None if median is None else round(median, 1)
    return ProviderStatus(channel, accepted, failed, again, rounded, newest, left_alone)


def find_provider_troubles() -> list[str]:
    """Return in words which providers are left alone, and who takes their messages meanwhile."""
    troubles = []
    for channel in Channel:
        away = read_left_alone(channel)
        others = [name for name in list_providers(channel) if name not in away]
        instead = f"messages leave by {others[0]}" if others else f"no {channel.value} leaves"
        for name, seconds in away.items():
            wait = format_duration(timedelta(seconds=seconds))
            troubles.append(f"{name} fails or is slow: it is asked again in {wait}, {instead}")
    return [*troubles, *_find_missing_receipts()]


def _find_missing_receipts() -> list[str]:
    """Return in words which providers accept messages and confirm less than half of them in time."""
    n, now = Notification, clock()
    overdue, missing = sa.func.count(), sa.func.count().filter(n.state == State.NO_RECEIPT)
    due = (n.id >= first_id_at(now - _AWAITED), n.receipt_due_at <= now)
    with read_session() as s:
        found = s.execute(sa.select(n.provider, overdue, missing).where(*due).group_by(n.provider)).all()
    return [
        f"{provider} confirms {messages - lost} of {messages} messages of the last hour: it delivers few, or its"
        f" receipts do not reach /api/hooks/{provider}"
        for provider, messages, lost in sorted(found)
        if messages >= _LEAST_AWAITED and 2 * lost > messages
    ]
