"""The slot alert: which of the matched slots are still open, and the reasons to send nothing; how many more wait."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import HeldFor, Notification, Priority, State
from api.models.slot import GoneReason, SlotRow
from api.models.user import Contact
from configs.ground.message_groups import MessageGroup
from configs.settings.constants import Constant
from notifier.content import slot_alert_content
from notifier.content.message_kind_base import (
    REACHABLE,
    ClaimedRow,
    DueMessage,
    MessageKind,
    Seen,
    Skip,
    TemplateContext,
    find_no_loss,
    skip_unreachable,
)
from notifier.content.outgoing_message import account_page
from notifier.content.slot_alert_content import (
    Announcement,
    ContentCache,
    SlotOpening,
    read_announcements,
    read_slots,
)

# A slot alert expires when its slots were not confirmed for this long
UNCONFIRMED_SECONDS = Constant("UNCONFIRMED_SECONDS", 900.0)


def _prepare(due: DueMessage) -> TemplateContext | Skip:
    return _prepare_all(due.session, [(due.row, due.contact)], due.now)[0]


def _prepare_all(session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
    """Return for each what is open, or why nothing is sent; three queries for all of them."""
    confirmed = now - timedelta(seconds=UNCONFIRMED_SECONDS())
    matched = read_matched_slots(session, [row.id for row, _ in rows])
    cache = ContentCache()

    def one(row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        found = matched.get(row.id)
        if found is None:
            return Skip(State.SKIPPED, "alert deleted")
        opening = _build_opening(row, found)
        skip = reason_to_skip(found, contact, confirmed)
        return skip or cache.context([opening], found.stops, row.language)

    return [one(row, contact) for row, contact in rows]


def _build_opening(row: ClaimedRow, found: Announcement) -> SlotOpening:
    """Return what is open; of what its reader wanted later, when it was seen last."""
    seen_at = row.seen_at or found.detection.seen_at
    was_held = row.priority is Priority.SCHEDULED  # whatever has happened to it since
    latest = max((slot.seen_at for slot in found.slots), default=seen_at) if was_held else seen_at
    return SlotOpening(found.detection, tuple(found.slots), max(seen_at, latest))


def read_matched_slots(session: Session, ids: Sequence[UUID]) -> dict[UUID, Announcement]:
    """Return by notification the alerts that still wait and what is open of their slots."""
    return read_announcements(session, ids, _read_open)


def _read_open(session: Session, ranges: Collection[str]) -> dict[str, list[SlotRow]]:
    found = read_slots(session, ranges)
    heirs = _heirs(session, chain.from_iterable(found.values()))
    return {
        each: [heir for slot in mine for heir in heirs.get(slot.id, [slot]) if heir.gone_at is None]
        for each, mine in found.items()
    }


def _heirs(session: Session, slots: Iterable[SlotRow]) -> dict[int, list[SlotRow]]:
    """Return the open hours by slot whose hours were unknown and seen meanwhile: no other alert covers them."""
    known = [slot for slot in slots if slot.gone_reason is GoneReason.SUPERSEDED]
    if not known:
        return {}
    place = sa.tuple_(SlotRow.desk_id, SlotRow.place_key)
    here = place.in_({(slot.desk_id, slot.place_key) for slot in known})
    rows = list(session.scalars(sa.select(SlotRow).where(here, SlotRow.gone_at.is_(None))))
    return {slot.id: [row for row in rows if _is_heir(row, slot)] for slot in known}


def _is_heir(row: SlotRow, slot: SlotRow) -> bool:
    same = (row.desk_id, row.place_key) == (slot.desk_id, slot.place_key)
    return same and slot.gone_at is not None and row.opened_at <= slot.gone_at


def reason_to_skip(found: Announcement, contact: Contact, confirmed_since: datetime) -> Skip | None:
    """Return why the alert is not sent now, or None. Pure."""
    return skip_unreachable(contact) or find_end(found, confirmed_since)


def find_end(found: Announcement, confirmed_since: datetime) -> Skip | None:
    """Return why the matched slots are not told, or None."""
    if not found.stops:
        return Skip(State.SKIPPED, "alert stopped")
    if not found.slots:
        return Skip(State.EXPIRED, "slots gone")
    if all(slot.seen_at < confirmed_since for slot in found.slots):
        return Skip(State.PENDING, "", held_for=HeldFor.SLOTS)  # docs/decisions.md#unconfirmed-slots
    return None


def _count_waiting(due: DueMessage) -> TemplateContext | Skip:
    """Return how many alerts the hourly cap holds back; one that waits on several channels counts once."""
    detection = Notification.params["detection_id"].astext
    waiting = sa.select(sa.func.count(detection.distinct())).where(
        Notification.contact_id.in_(sa.select(Contact.id).where(Contact.user_id == due.contact.user_id)),
        Notification.state == State.PENDING,
        Notification.held_for == HeldFor.CAP,
    )
    count = due.session.scalar(waiting)
    if not count:
        return Skip(State.EXPIRED, "nothing waits any more")
    return TemplateContext({"count": count, "url": account_page("messages")})


KINDS = {
    # Several of one contact leave as one message.
    "slot_detected": MessageKind(
        to=replace(REACHABLE, find_loss=find_no_loss),
        values=_prepare,
        secret=False,
        group=MessageGroup.SLOTS,
        notice_link="/dashboard",
        prepare_many=_prepare_all,
        merge=slot_alert_content.merge,
    ),
    "more_messages": MessageKind(to=REACHABLE, values=_count_waiting, secret=False),
}
