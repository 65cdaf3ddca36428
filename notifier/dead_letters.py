"""Dead letters: notifications that failed for good, made pending again from the panel (api/admin/messages.py)."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Session, aliased

from api.models.base import database_clock, is_any_of
from api.models.notification import Match, Notification, State, is_told
from configs.world.retention import messages_kept_for
from notifier.delivery.retry_policy import UNKNOWN


def replay(session: Session, notification_ids: Iterable[UUID], *, unsure: bool = False) -> list[UUID]:
    """Make dead letters pending again, with all their attempts; return their ids, to be nudged after the commit.

    Left dead is what was told by another message meanwhile and, unless `unsure`, what may have arrived. Whether
    there is still something to say is decided when it is sent, as for any other: slots that are gone expire.
    What is no dead letter, and rows that another replay holds, are left alone.
    """
    dead = is_any_of(Notification.id, list(notification_ids)), Notification.state == State.FAILED
    query = sa.select(Notification).where(*dead).execution_options(populate_existing=True)
    rows = session.scalars(query.with_for_update(skip_locked=True)).all()
    told, now = _find_told(session, rows), database_clock(session)
    has_text = now - messages_kept_for()  # what is older has lost it
    alive = [
        row
        for row in rows
        if row.id not in told
        and row.created_at > has_text
        and (unsure or not (row.unknown_attempts or (row.reason or "").startswith(UNKNOWN)))
    ]
    for row in alive:
        row.state, row.reason, row.failed_at = State.PENDING, None, None
        row.attempts, row.unknown_attempts = 0, 0
        row.next_attempt_at = now
    return [row.id for row in alive]


def _find_told(session: Session, rows: Sequence[Notification]) -> set[UUID]:
    """Return those of which another message to the same contact tells: desks are re-armed, alerts catch up."""
    other, its, mine = aliased(Notification), aliased(Match), aliased(Match)
    query = (
        sa.select(Notification.id)
        .join(mine, mine.announcement_id == Notification.announcement_id)
        .join(other, other.contact_id == Notification.contact_id)
        .join(its, its.announcement_id == other.announcement_id)
        .where(
            other.id != Notification.id,
            other.kind == Notification.kind,
            sa.type_coerce(its.slots, INT8MULTIRANGE()).overlaps(mine.slots),
        )
        .where(is_told(other), is_any_of(Notification.id, [row.id for row in rows]))
    )
    return set(session.scalars(query))
