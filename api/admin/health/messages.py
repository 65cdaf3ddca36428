"""Figures of the notifications: their states, dead letters, and the providers' recent answers."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from api.admin.health.reading import read_session
from api.models.notification import Notification, State, waits_as_wished, was_put_off
from api.models.slot import Detection
from api.models.user import Channel
from api.operations.providers import read_left_alone
from configs.ground.clock import clock
from configs.ground.redaction import mask_text

_DAY = timedelta(days=1)
_RECENT = timedelta(minutes=15)
_ON_THE_WAY = (State.PENDING, State.SENDING)


def read_messages() -> dict[str, Any]:
    """Return a day's notifications by state; pending ones and dead letters of any age. Ages are in seconds.

    Detections that wait because the alerts of their desk are held are not among the unmatched ones.
    """
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
        return {
            "by_state": {state.value: found for state, found in s.execute(day)},
            "on_the_way": on_the_way,
            "oldest_seconds": _measure_age(oldest, now),
            "unmatched": detections,
            "oldest_unmatched_seconds": _measure_age(oldest_detection, now),
            "dead": _group_by_masked_reason(rows),
        }


def _group_by_masked_reason(rows: Iterable[tuple[Channel, str, int, datetime]]) -> list[dict[str, Any]]:
    """Return the rows, the newest first, without personal data: a provider may repeat the address that it refuses."""
    groups: dict[tuple[Channel, str], dict[str, Any]] = {}
    for channel, reason, number, newest_at in rows:
        key = channel, mask_text(reason)
        new = {"channel": channel, "reason": key[1], "number": 0, "newest_at": newest_at}
        groups.setdefault(key, new)["number"] += number
    return list(groups.values())


def _measure_age(at: datetime | None, now: datetime) -> float | None:
    return round((now - at).total_seconds(), 3) if at else None


def read_providers() -> list[dict[str, Any]]:
    """Return each channel's messages of the last _RECENT: accepted, failed, and the time from page to acceptance.

    `left_alone` has the seconds for which its providers are not called, of those that failed lately.
    """
    n, since = Notification, clock() - _RECENT
    # What its reader wanted later, or what caught up, says nothing of our delays.
    took = sa.case((n.committed_at.is_not(None), sa.extract("epoch", n.accepted_at - n.seen_at) * 1000))
    median = sa.func.round(sa.cast(sa.func.percentile_cont(0.5).within_group(took), sa.Numeric), 1)
    accepted, failed = n.accepted_at >= since, sa.and_(n.failed_at >= since, n.state == State.FAILED)
    lately = sa.select(
        n.channel,
        sa.func.count().filter(accepted).label("accepted"),
        sa.func.count().filter(failed).label("failed"),
        sa.func.count().filter(n.attempts > 1).label("again"),
        sa.cast(median, sa.Float).label("median_ms"),
        sa.func.max(n.accepted_at).label("newest_at"),
    ).where(sa.or_(accepted, failed))
    with read_session() as s:
        found = {row.channel: row._asdict() for row in s.execute(lately.group_by(n.channel))}
    nothing = {"accepted": 0, "failed": 0, "again": 0, "median_ms": None, "newest_at": None}
    return [
        {"channel": channel, **nothing, **found.get(channel, {}), "left_alone": read_left_alone(channel)}
        for channel in Channel
    ]
