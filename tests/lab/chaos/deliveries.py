"""Deliveries: the inbox's messages with the slots of their notifications, from the tables."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from api.models.notification import Notification
from api.models.slot import SlotRow
from tests.factories import select_announced_slots
from tests.lab.chaos.inbox import InboxMessage
from tests.lab.chaos.journal import OpenedSlot, OpeningJournal, Slot

_STORY = sa.text("""
SELECT string_agg(concat_ws(' ', 'opened', s.opened_at, 'gone', s.gone_at, 'seen', d.seen_at, 'matched', d.matched_at,
  n.channel, n.state, n.reason, n.attempts, n.accepted_at), '; ' ORDER BY n.created_at)
FROM slots s LEFT JOIN detection_slots ds ON ds.slot_id = s.id LEFT JOIN detections d ON d.id = ds.detection_id
LEFT JOIN matches m ON s.id <@ m.slots LEFT JOIN notifications n ON n.announcement_id = m.announcement_id
WHERE s.desk_id = :desk AND s.starts_at = :instant""")
_CLOCKS = timedelta(seconds=1)  # between the tables' clock and ours, read before and after an act


@dataclass(frozen=True)
class Delivery:
    """A message and its slots. `timeless`: it says that a place is open, at an unknown hour."""

    message: InboxMessage
    slots: frozenset[Slot]
    timeless: bool = False


@dataclass(frozen=True)
class DeliverySight:
    """One slot as the tables hold it; `instant` is None where its hour was unknown."""

    desk_id: str
    place: str
    instant: datetime | None
    opened_at: datetime
    gone_at: datetime | None

    def means(self, opening: OpenedSlot) -> bool:
        """Whether this is the opening. An unknown hour is every one that its place showed until hours were seen."""
        if self.instant:
            return opening.slot == (self.desk_id, self.instant)
        begun = self.gone_at is None or opening.opened_at <= self.gone_at + _CLOCKS
        lasted = opening.taken_at is None or opening.taken_at >= self.opened_at - _CLOCKS
        return begun and lasted and (opening.desk_id, opening.place) == (self.desk_id, self.place)


def deliveries(
    engine: sa.Engine, messages: Iterable[InboxMessage], journal: OpeningJournal
) -> list[Delivery]:
    """Join messages with their notifications, by our own ids that travelled with them."""
    told = _slots_by_notification(engine, journal)
    by_desk: dict[str, list[OpenedSlot]] = defaultdict(list)
    for opening in journal.openings:
        by_desk[opening.desk_id].append(opening)
    found = []
    for message in messages:
        sights = {sight for each in message.notifications for sight in told.get(each, ())}
        slots = {each.slot for sight in sights for each in by_desk[sight.desk_id] if sight.means(each)}
        found.append(Delivery(message, frozenset(slots), any(sight.instant is None for sight in sights)))
    return found


def _slots_by_notification(engine: sa.Engine, journal: OpeningJournal) -> dict[str, set[DeliverySight]]:
    """Return the slots of each notification."""
    slot = (SlotRow.desk_id, SlotRow.place_key, SlotRow.starts_at, SlotRow.opened_at, SlotRow.gone_at)
    told_of = select_announced_slots()
    query = (
        sa.select(Notification.id, *slot)
        .join(told_of, told_of.c.announcement_id == Notification.announcement_id)
        .join(SlotRow, SlotRow.id == told_of.c.slot_id)
    )
    told: dict[str, set[DeliverySight]] = defaultdict(set)
    with engine.connect() as connection:
        for notification, desk_id, place, instant, opened_at, gone_at in connection.execute(query):
            begun, gone = journal.real_instant(opened_at), gone_at and journal.real_instant(gone_at)
            told[str(notification)].add(DeliverySight(desk_id, place, instant, begun, gone))
    return told


def described(engine: sa.Engine, slot: Slot) -> str:
    """Return what the tables say about one slot: what a person needs who looks for a lost message."""
    with engine.connect() as connection:
        told = connection.scalar(_STORY, {"desk": slot[0], "instant": slot[1]})
    return told or "the slot was never seen"
