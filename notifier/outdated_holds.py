"""Holds that no longer follow what their reader wants: messages that wait although they may leave, or at another time.

Saving preferences wakes what waits (api/users/preferences.py). It cannot see what another transaction writes at that
moment with the preferences of before. The sweep finds such messages within a minute.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.notification import Notification, waits_as_wished
from notifier.delivery.reader_wishes import find_wish, read_recipients
from notifier.message_kind_base import CLAIMED_COLUMNS, ClaimedRow

_AT_ONCE = 1000  # messages in one round
_LATELY = timedelta(minutes=5)  # longer than a transaction that writes messages may take


def wake_outdated(opened: Session, now: datetime) -> list[UUID]:
    """Have messages looked at again that were written lately and are held otherwise than their reader wants by now."""
    found = _read_held(opened, now)
    readers = read_recipients(opened, {row.contact_id for row, _ in found if row.contact_id})
    outdated = []
    for row, until in found:
        to = readers.get(row.contact_id) if row.contact_id else None
        if to and ((wish := find_wish(row, to, now)) is None or wish.until != until):
            outdated.append(row.id)
    if outdated:
        _wake(opened, outdated, now)
    return outdated


def _read_held(opened: Session, now: datetime) -> list[tuple[ClaimedRow, datetime]]:
    columns: list[Any] = [getattr(Notification, name) for name in CLAIMED_COLUMNS]
    written_at = sa.func.coalesce(Notification.matched_at, Notification.created_at)
    query = (
        sa.select(*columns, Notification.next_attempt_at)
        .where(waits_as_wished(), Notification.next_nudge_at > now, Notification.next_attempt_at > now)
        .where(written_at.between(now - _LATELY, now))
        .order_by(written_at.desc())
        .limit(_AT_ONCE)
    )
    return [(ClaimedRow(*row[:-1]), row[-1]) for row in opened.execute(query)]


def _wake(opened: Session, ids: Sequence[UUID], now: datetime) -> None:
    """Make them due now, in the order in which workers lock them; who holds one looks at it anyway."""
    held = sa.select(Notification.id).where(is_any_of(Notification.id, ids), waits_as_wished())
    locked = held.order_by(Notification.id).with_for_update(skip_locked=True)
    waking = sa.update(Notification).where(Notification.id.in_(locked))
    opened.execute(
        waking.values(next_attempt_at=now, next_nudge_at=now),
        execution_options={"synchronize_session": False},
    )
