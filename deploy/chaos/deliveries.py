"""What the messages of the inbox were about: the tables know which slots each notification told of."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from api.models.notification import Match, MatchSlot, Notification, NotificationMatch
from api.models.slot import SlotRow
from deploy.chaos.inbox import Message
from deploy.chaos.journal import Slot


@dataclass(frozen=True)
class Delivery:
    """A message, and the slots that it told of."""

    message: Message
    slots: frozenset[Slot]


def deliveries(engine: sa.Engine, messages: Iterable[Message]) -> list[Delivery]:
    """Join messages with their notifications: by our own id, or by the provider's where several left as one."""
    told, shared = _told(engine)
    found = []
    for message in messages:
        own = {message.notification, *shared.get(message.provider_id, ())}
        slots = frozenset(slot for each in own for slot in told.get(each, ()))
        found.append(Delivery(message, slots))
    return found


def _told(engine: sa.Engine) -> tuple[dict[str, set[Slot]], dict[str, set[str]]]:
    """Return the slots of each notification, and the notifications of each of the provider's ids."""
    query = (
        sa.select(Notification.id, Notification.provider_id, SlotRow.desk_id, SlotRow.starts_at)
        .join(NotificationMatch, NotificationMatch.notification_id == Notification.id)
        .join(Match, Match.id == NotificationMatch.match_id)
        .join(
            MatchSlot,
            sa.and_(MatchSlot.match_id == Match.id, MatchSlot.decided_at == Notification.matched_at),
        )
        .join(SlotRow, SlotRow.id == MatchSlot.slot_id)
    )
    told: dict[str, set[Slot]] = defaultdict(set)
    shared: dict[str, set[str]] = defaultdict(set)
    with engine.connect() as connection:
        for notification, provider_id, desk_id, starts_at in connection.execute(query):
            if starts_at:
                told[str(notification)].add((desk_id, starts_at))
            if provider_id:
                shared[provider_id].add(str(notification))
    return told, shared


def described(engine: sa.Engine, slot: Slot, address: str) -> str:
    """Return what the tables say about one slot and one address: what a person needs who looks for a lost message."""
    query = sa.text("""
        SELECT s.opened_at, s.gone_at, d.seen_at, d.matched_at, n.state, n.reason, n.attempts, n.accepted_at
        FROM slots s LEFT JOIN detection_slots ds ON ds.slot_id = s.id LEFT JOIN detections d ON d.id = ds.detection_id
        LEFT JOIN match_slots ms ON ms.slot_id = s.id LEFT JOIN notification_matches nm ON nm.match_id = ms.match_id
        LEFT JOIN notifications n ON n.id = nm.notification_id
          AND n.contact_id IN (SELECT id FROM contacts WHERE address = :address)
        WHERE s.desk_id = :desk AND s.starts_at = :instant ORDER BY n.id IS NULL, n.created_at
    """)
    with engine.connect() as connection:
        rows = connection.execute(query, {"desk": slot[0], "instant": slot[1], "address": address}).mappings()
        lines = [", ".join(f"{name} {value}" for name, value in row.items() if value) for row in rows]
    return "; ".join(dict.fromkeys(lines)) or "the slot was never seen"
