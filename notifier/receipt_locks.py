"""Rows that receipts change: users are locked, then what is theirs; a message that is locked is left for later."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.base import is_any_of
from api.models.notification import Notification, State
from api.models.provider_event import ProviderEvent, ReceiptKind
from api.models.user import Channel, Contact, User
from notifier.message_kinds import SLOT_DETECTED
from notifier.receipt_base import MOST_IDS

AT_ONCE = 500


def lock_due_events(
    opened: Session, now: datetime, *, except_delivered: bool = False
) -> Sequence[ProviderEvent]:
    """Lock the receipts that wait, at most AT_ONCE, after the users of the losses among them."""
    event = ProviderEvent
    due = sa.select(event.id, event.kind, event.contact_id, event.notification_ids).where(
        event.next_attempt_at <= now
    )
    if except_delivered:
        due = due.where(event.kind != ReceiptKind.DELIVERED)
    found = opened.execute(due.order_by(event.next_attempt_at).limit(AT_ONCE)).all()
    losses = [row for row in found if row.kind is not ReceiptKind.DELIVERED]
    if losses:
        contacts = {row.contact_id for row in losses if row.contact_id}
        messages = {key for row in losses for key in row.notification_ids}
        _lock_users(
            opened,
            sa.union(
                sa.select(Contact.user_id).where(is_any_of(Contact.id, contacts)),
                sa.select(Notification.user_id).where(is_any_of(Notification.id, messages)),
            ),
        )
    mine = is_any_of(event.id, [row.id for row in found]), event.next_attempt_at <= now
    locked = sa.select(event).where(*mine).order_by(event.next_attempt_at)
    return opened.scalars(locked.with_for_update(skip_locked=True)).all()


def lock_overdue(opened: Session, now: datetime) -> Sequence[Notification]:
    """Lock the messages that no receipt came for in time, at most AT_ONCE, after the users told on another channel."""
    row = Notification
    overdue = row.state == State.SENT, row.receipt_due_at <= now
    ids = opened.scalars(sa.select(row.id).where(*overdue).order_by(row.receipt_due_at).limit(AT_ONCE)).all()
    told = sa.select(row.user_id).where(
        is_any_of(row.id, ids), row.channel == Channel.SMS, row.kind == SLOT_DETECTED
    )
    if ids:
        _lock_users(opened, told)
    locked = sa.select(row).where(is_any_of(row.id, ids), *overdue).order_by(row.id)
    return opened.scalars(locked.with_for_update(skip_locked=True, key_share=True)).all()


def _lock_users(opened: Session, users: sa.Select[UUID | None] | sa.CompoundSelect[UUID | None]) -> None:
    chosen = sa.select(User.id).where(User.id.in_(users)).order_by(User.id)
    opened.execute(chosen.with_for_update(key_share=True))


def find_message_ids(opened: Session, events: Sequence[ProviderEvent]) -> Mapping[UUID, Collection[UUID]]:
    """Return the notifications that each receipt is about, by the receipt's id.

    A receipt names MOST_IDS of a message at most: the others have the provider's id of it, and its contact.
    """
    full = [each for each in events if len(each.notification_ids) >= MOST_IDS]
    beside: dict[UUID, set[UUID]] = defaultdict(set)
    if full:
        named, other = aliased(Notification), aliased(Notification)
        same = (
            getattr(other, name) == getattr(named, name) for name in ("provider", "provider_id", "contact_id")
        )
        found = sa.select(named.id, other.id).join(other, sa.and_(*same))
        for key, of_message in opened.execute(
            found.where(is_any_of(named.id, [each.notification_ids[0] for each in full]))
        ):
            beside[key].add(of_message)
    return {
        each.id: set(each.notification_ids).union(*(beside[key] for key in each.notification_ids[:1]))
        for each in events
    }


def lock_notifications(
    opened: Session, ids: Collection[UUID]
) -> tuple[Mapping[UUID, Notification], set[UUID]]:
    """Lock notifications; return them, and the ids of those that something else holds: it may wait for what we hold."""
    if not ids:
        return {}, set()
    wanted = is_any_of(Notification.id, ids)
    locked = sa.select(Notification).where(wanted).order_by(Notification.id)
    rows = {row.id: row for row in opened.scalars(locked.with_for_update(key_share=True, skip_locked=True))}
    missing = [key for key in ids if key not in rows]
    if not missing:
        return rows, set()
    return rows, set(opened.scalars(sa.select(Notification.id).where(is_any_of(Notification.id, missing))))
