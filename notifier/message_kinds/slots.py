"""The slot alert: which of the matched slots are still open, and the reasons to send nothing; how many more wait."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.notification import HeldFor, Notification, Priority, State, read_ranges
from api.models.slot import Detection, GoneReason, SlotRow
from api.models.user import Contact
from configs.ground.message_groups import MessageGroup
from configs.settings.constants import Constant
from notifier.content import slot_alert_content
from notifier.content.message_kind_base import (
    REACHABLE,
    ClaimedRow,
    MessageKind,
    Seen,
    Skip,
    TemplateContext,
    find_no_loss,
    skip_unreachable,
)
from notifier.content.outgoing_message import account_page
from notifier.content.slot_alert_content import (
    ContentCache,
    SlotOpening,
    StopLink,
    read_detections,
    select_announced,
)

# A slot alert expires when its slots were not confirmed for this long
UNCONFIRMED_SECONDS = Constant("UNCONFIRMED_SECONDS", 900.0)


@dataclass(slots=True)
class MatchedSlots:
    """What a slot alert was matched from: the alerts that still wait, the slots of those that are still open."""

    detection: Detection
    stops: list[StopLink] = field(default_factory=list)
    slots: list[SlotRow] = field(default_factory=list)


def _prepare(session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext | Skip:
    return _prepare_all(session, [(row, contact)], now)[0]


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


def _build_opening(row: ClaimedRow, found: MatchedSlots) -> SlotOpening:
    """Return what is open; of what its reader wanted later, when it was seen last."""
    seen_at = row.seen_at or found.detection.seen_at
    was_held = row.priority is Priority.SCHEDULED  # whatever has happened to it since
    latest = max((slot.seen_at for slot in found.slots), default=seen_at) if was_held else seen_at
    return SlotOpening(found.detection, tuple(found.slots), max(seen_at, latest))


def read_matched_slots(session: Session, ids: Sequence[UUID]) -> dict[UUID, MatchedSlots]:
    """Return by notification what it was matched from; nothing where all its alerts are deleted."""
    found = [tuple(row) for row in session.execute(select_announced(ids))]
    detections = read_detections(session, {row[1] for row in found})
    open_slots = _open_of(session, {row[5] for row in found})
    matched: dict[UUID, MatchedSlots] = {}
    ranges_of: dict[UUID, set[str]] = defaultdict(set)
    for key, detection_id, alert_id, name, waiting, ranges in found:
        mine = matched.setdefault(key, MatchedSlots(detections[detection_id]))
        if waiting:
            mine.stops.append(StopLink(alert_id, name))
            ranges_of[key].add(ranges)
    together: dict[frozenset[str], list[SlotRow]] = {}
    for key, ranges in ranges_of.items():
        alike = frozenset(ranges)
        if alike not in together:
            together[alike] = _in_order(slot for each in alike for slot in open_slots[each])
        matched[key].slots = together[alike]
    return matched


def _open_of(session: Session, ranges: Collection[str]) -> dict[str, list[SlotRow]]:
    """Return what is open of each set of slots; what many messages share is read once."""
    ids = {each: list(chain.from_iterable(read_ranges(each))) for each in ranges}
    wanted = sa.literal(sorted(set(chain.from_iterable(ids.values()))), ARRAY(sa.BigInteger()))
    by_id = {row.id: row for row in session.scalars(sa.select(SlotRow).where(SlotRow.id == sa.any_(wanted)))}
    heirs = _heirs(session, by_id.values())
    return {
        each: _in_order(heir for slot in mine if slot in by_id for heir in heirs.get(slot, (by_id[slot],)))
        for each, mine in ids.items()
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


def _in_order(slots: Iterable[SlotRow]) -> list[SlotRow]:
    return sorted({slot for slot in slots if slot.gone_at is None}, key=lambda slot: slot.id)


def reason_to_skip(found: MatchedSlots, contact: Contact, confirmed_since: datetime) -> Skip | None:
    """Return why the alert is not sent now, or None. Pure."""
    return skip_unreachable(contact) or find_end(found, confirmed_since)


def find_end(found: MatchedSlots, confirmed_since: datetime) -> Skip | None:
    """Return why the matched slots are not told, or None."""
    if not found.stops:
        return Skip(State.SKIPPED, "alert stopped")
    if not found.slots:
        return Skip(State.EXPIRED, "slots gone")
    if all(slot.seen_at < confirmed_since for slot in found.slots):
        return Skip(State.PENDING, "", held_for=HeldFor.SLOTS)  # docs/decisions.md#unconfirmed-slots
    return None


def _count_waiting(
    session: Session, _row: ClaimedRow, contact: Contact, _now: datetime
) -> TemplateContext | Skip:
    """Return how many alerts the hourly cap holds back; one that waits on several channels counts once."""
    detection = Notification.params["detection_id"].astext
    waiting = sa.select(sa.func.count(detection.distinct())).where(
        Notification.contact_id.in_(sa.select(Contact.id).where(Contact.user_id == contact.user_id)),
        Notification.state == State.PENDING,
        Notification.held_for == HeldFor.CAP,
    )
    count = session.scalar(waiting)
    if not count:
        return Skip(State.EXPIRED, "nothing waits any more")
    url = account_page("messages")
    return TemplateContext({"count": count, "url": url}, url)


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
