"""Fallback: a slot alert by SMS that did not arrive is sent once on another channel, a call that no one took by SMS.

A call is made once more, too.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from api.models.base import new_id
from api.models.notification import Notification, is_told
from api.models.user import Channel
from notifier.content.message_kind_base import AFTER, CALL_AGAIN, CALL_MISSED, SLOT_CALL, SLOT_DETECTED
from notifier.delivery.retry_policy import CALL_GAP_SECONDS
from notifier.matching.recipients import recipients
from notifier.message_kinds.call_planning import LATE_AFTER

_ORDER = (Channel.TELEGRAM, Channel.EMAIL)


def tell_elsewhere(opened: Session, rows: Iterable[Notification], now: datetime) -> None:
    """Write for each slot alert by SMS a message on another channel of its user, for each call an SMS; each once.

    Nothing is written where another channel told the same matches as an SMS, or where the user and the plan have none.
    The SMS after a call has no `seen_at`: it is no slot alert, whose delay counts.
    """
    for row in rows:
        if row.kind == SLOT_DETECTED and row.channel is Channel.SMS and row.user_id:
            _tell_one(opened, row, row.user_id, now)
        elif row.kind == SLOT_CALL:
            first = row.params.get(AFTER, str(row.id))  # one SMS for both calls
            sms = {
                "channel": Channel.SMS,
                "kind": CALL_MISSED,
                "dedupe_key": f"fallback:{first}",
                "seen_at": None,
            }
            _copy(opened, row, sms | {"params": row.params | {AFTER: first}}, now, now)


def call_again(opened: Session, row: Notification, ended_at: datetime, now: datetime) -> None:
    """Write the second call, CALL_GAP_SECONDS after one that no person took; it is made if a slot is open then."""
    if row.kind != SLOT_CALL or AFTER in row.params or row.unknown_attempts:
        return
    at = ended_at + timedelta(seconds=CALL_GAP_SECONDS())
    if now > at + LATE_AFTER:  # its report came late
        return
    again = {"params": row.params | {AFTER: str(row.id)}, "dedupe_key": f"{CALL_AGAIN}{row.id}"}
    _copy(opened, row, again, at, now)


def _tell_one(opened: Session, row: Notification, user_id: UUID, now: datetime) -> None:
    found = {each.channel: each.contact_id for each in recipients(opened, [user_id], now)}
    channel = next((each for each in _ORDER if each in found), None)
    if channel is None or _is_told(opened, row):
        return
    other = {"contact_id": found[channel], "channel": channel, "dedupe_key": f"fallback:{row.id}"}
    _copy(opened, row, other, now, now)


def _copy(opened: Session, row: Notification, values: dict[str, Any], at: datetime, now: datetime) -> None:
    """Write a message about the same matches to the same person, due at an instant; once for a dedupe key."""
    same = {
        name: getattr(row, name)
        for name in (
            "user_id", "contact_id", "announcement_id", "channel", "kind", "language", "priority", "params", "seen_at",
            "matched_at",
        )
    }  # fmt: skip
    due = {"id": new_id(), "created_at": now, "next_attempt_at": at}
    made = insert(Notification).values(same | due | values)
    opened.execute(made.on_conflict_do_nothing(index_elements=[Notification.dedupe_key]))


def _is_told(opened: Session, row: Notification) -> bool:
    other = aliased(Notification)
    query = sa.select(other.id).where(
        other.announcement_id == row.announcement_id,
        other.channel != Channel.SMS,
        other.kind == row.kind,
        is_told(other),
    )
    return opened.scalar(query.limit(1)) is not None
