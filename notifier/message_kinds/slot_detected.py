"""The slot alert: what is still open of what was matched, and the reasons to say nothing."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import is_any_of
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, State
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.slot_ids import read_ranges, told_ids
from api.models.user import Contact, ContactState
from configs.settings import settings
from notifier.content import slot_alert_content
from notifier.content.slot_alert_content import ContentCache, SlotOpening, StopLink
from notifier.message_kinds import ClaimedRow, Seen, Skip, TemplateContext


@dataclass(slots=True)
class ToldSlots:
    """What a slot alert was matched from: the alerts that still wait, the slots of those that are still open."""

    detection: Detection
    stops: list[StopLink] = field(default_factory=list)
    slots: list[SlotRow] = field(default_factory=list)


def accepts_contact(contact: Contact) -> bool:
    """Only where a person wants to be reached and can be."""
    return contact.reachable


def prepare(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return what is open, or why nobody is told."""
    return prepare_all(session, [(row, contact)], now)[0]


def prepare_all(session: Session, rows: Seen, now: datetime) -> list[TemplateContext | Skip]:
    """Return for each what is open, or why nobody is told; three queries for all of them."""
    confirmed = now - timedelta(seconds=settings().unconfirmed_seconds)
    told = _read_told_slots(session, [row.id for row, _ in rows])
    wording = ContentCache()

    def one(row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        found = told.get(row.id)
        if found is None:
            return Skip(State.SKIPPED, "alert deleted")
        opening = SlotOpening(found.detection, tuple(found.slots), row.seen_at or found.detection.seen_at)
        return reason_to_skip(found, contact, confirmed) or wording.facts(
            [opening], found.stops, row.language
        )

    return [one(row, contact) for row, contact in rows]


def merge(facts: Sequence[TemplateContext], language: str) -> TemplateContext:
    """Return what one message says of several desks."""
    return slot_alert_content.merge(facts, language)


def _read_told_slots(session: Session, ids: Sequence[UUID]) -> dict[UUID, ToldSlots]:
    """Return by notification what it was matched from; nothing where all its alerts are deleted."""
    slots = (
        sa.select(sa.func.array_agg(sa.cast(told_ids(), sa.Text)))
        .where(MatchSlot.match_id == Match.id, MatchSlot.decided_at == Notification.matched_at)
        .scalar_subquery()
    )
    waits = sa.and_(Alert.enabled, Alert.closed_at.is_(None))
    query = (
        sa.select(Notification.id, Match.detection_id, Alert.id, Alert.name, waits, slots)
        .join(NotificationMatch, NotificationMatch.notification_id == Notification.id)
        .join(Match, Match.id == NotificationMatch.match_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(is_any_of(Notification.id, ids))
        .order_by(Alert.id)
    )
    found = [tuple(row) for row in session.execute(query)]
    seen = sa.select(Detection).where(is_any_of(Detection.id, {row[1] for row in found}))
    detections = {row.id: row for row in session.scalars(seen)}
    open_slots = _open_of(session, {ranges for row in found for ranges in row[5] or ()})
    told: dict[UUID, ToldSlots] = {}
    ranges_of: dict[UUID, set[str]] = defaultdict(set)
    for key, detection_id, alert_id, name, waiting, ranges in found:
        mine = told.setdefault(key, ToldSlots(detections[detection_id]))
        if waiting:
            mine.stops.append(StopLink(alert_id, name))
            ranges_of[key] |= set(ranges or ())
    together: dict[frozenset[str], list[SlotRow]] = {}
    for key, ranges in ranges_of.items():
        alike = frozenset(ranges)
        if alike not in together:
            together[alike] = _in_order(slot for each in alike for slot in open_slots[each])
        told[key].slots = together[alike]
    return told


def _open_of(session: Session, ranges: Collection[str]) -> dict[str, list[SlotRow]]:
    """Return what is open of each set of slots; what many messages tell of is looked at once."""
    ids = {each: list(chain.from_iterable(read_ranges(each))) for each in ranges}
    wanted = sa.literal(sorted(set(chain.from_iterable(ids.values()))), ARRAY(sa.BigInteger()))
    by_id = {row.id: row for row in session.scalars(sa.select(SlotRow).where(SlotRow.id == sa.any_(wanted)))}
    heirs = _heirs(session, by_id.values())
    return {
        each: _in_order(heir for slot in mine if slot in by_id for heir in heirs.get(slot, (by_id[slot],)))
        for each, mine in ids.items()
    }


def _heirs(session: Session, slots: Iterable[SlotRow]) -> dict[int, list[SlotRow]]:
    """Return by slot whose unknown hours were seen meanwhile the hours that are open: nobody else tells of them."""
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


def _in_order(slots: Iterable[SlotRow]) -> list[SlotRow]:
    return sorted({slot for slot in slots if slot.gone_at is None}, key=lambda slot: slot.id)


def reason_to_skip(found: ToldSlots, contact: Contact, confirmed_since: datetime) -> Skip | None:
    """Return why the alert is not sent now, or None. Pure."""
    if not contact.reachable:
        return Skip(State.SKIPPED, _unreachable(contact))
    if not found.stops:
        return Skip(State.SKIPPED, "alert stopped")
    if not found.slots:
        return Skip(State.EXPIRED, "slots gone")
    if all(slot.seen_at < confirmed_since for slot in found.slots):
        return Skip(State.EXPIRED, "slots not confirmed any more")
    return None


def _unreachable(contact: Contact) -> str:
    if contact.state is not ContactState.OK:
        return f"address {contact.state.value}"
    return "switched off" if not contact.enabled else "address not verified"
