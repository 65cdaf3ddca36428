"""Fallback of slot alerts by SMS: one that did not arrive is sent once on another channel."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from api.models.base import new_id
from api.models.notification import Notification, NotificationMatch, State
from api.models.user import Channel
from notifier.message_kinds import SLOT_DETECTED
from notifier.notification_writer import next_nudge
from notifier.recipients import recipients

_ORDER = (Channel.TELEGRAM, Channel.EMAIL)
# A message in one of these states tells it, or will.
_TELLS = (State.PENDING, State.SENDING, State.SENT, State.DELIVERED)


def tell_elsewhere(opened: Session, rows: Iterable[Notification], now: datetime) -> None:
    """Write a slot alert on another channel of its user for each of these that went by SMS, once.

    Nothing is written where another channel told the same matches, or where the user and the plan have none.
    """
    for row in rows:
        if row.kind == SLOT_DETECTED and row.channel is Channel.SMS and row.user_id:
            _tell_one(opened, row, row.user_id, now)


def _tell_one(opened: Session, row: Notification, user_id: UUID, now: datetime) -> None:
    matches = set(
        opened.scalars(
            sa.select(NotificationMatch.match_id).where(NotificationMatch.notification_id == row.id)
        )
    )
    found = {each.channel: each.contact_id for each in recipients(opened, [user_id], now)}
    channel = next((each for each in _ORDER if each in found), None)
    if channel is None or _is_told(opened, row, matches):
        return
    values = {
        "id": new_id(), "user_id": user_id, "contact_id": found[channel], "channel": channel, "kind": row.kind,
        "language": row.language, "priority": row.priority, "params": row.params,
        "dedupe_key": f"fallback:{row.id}", "seen_at": row.seen_at, "matched_at": row.matched_at,
        "created_at": now, "next_attempt_at": now, "next_nudge_at": next_nudge(now),
    }  # fmt: skip
    made = (
        insert(Notification).values(values).on_conflict_do_nothing(index_elements=[Notification.dedupe_key])
    )
    key = opened.scalar(made.returning(Notification.id))
    if key and matches:
        pairs = [{"notification_id": key, "match_id": each} for each in matches]
        opened.execute(insert(NotificationMatch).values(pairs))


def _is_told(opened: Session, row: Notification, matches: set[UUID]) -> bool:
    other = aliased(Notification)
    query = (
        sa.select(sa.literal(1))
        .select_from(NotificationMatch)
        .join(other, other.id == NotificationMatch.notification_id)
        .where(
            NotificationMatch.match_id.in_(matches),
            other.channel != Channel.SMS,
            other.kind == row.kind,
            other.matched_at == row.matched_at,
            other.state.in_(_TELLS),
        )
    )
    return opened.scalar(query.limit(1)) is not None
