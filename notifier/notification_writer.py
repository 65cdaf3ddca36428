"""Writes what was decided: matches, the slots they tell of, and a notification per person and contact."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

import api.models.all  # noqa: F401 -- a flush resolves foreign keys of tables that nobody here names
from api.models.base import new_id
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, Priority, State
from api.models.slot import Detection, SlotRow
from api.models.slot_ids import write_ranges
from api.models.user import Contact, User
from configs.clock import clock
from configs.settings import settings
from notifier.bulk_rows import BulkRows
from notifier.content.messages import languages_of, speaks
from notifier.delivery.inline_delivery import InlineClaim
from notifier.matching import WantedSlots
from notifier.message_kinds import SLOT_DETECTED, kind_of
from notifier.recipients import Recipient

_MET = BulkRows.of("met", Match, ("id", "alert_id", "detection_id", "limits_version", "decided_at"))
_SLOTS = BulkRows(
    "wanted", (Match.__table__.c.alert_id, *(MatchSlot.__table__.c[each] for each in ("slot_id", "slots")))
)
_JOINED = BulkRows("pair", (Notification.__table__.c.id, Match.__table__.c.alert_id))
_TOLD = BulkRows.of("told", Notification, (
    "id", "user_id", "contact_id", "channel", "kind", "language", "priority", "params", "dedupe_key", "seen_at",
    "committed_at", "matched_at", "created_at", "next_attempt_at", "next_nudge_at", "state", "attempts",
    "lease_token", "lease_until",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class MatchResult:
    """Who is told what by one detection.

    `seen_at` is when the slots were seen last, `slots` are those that the wishes name. `late` telling (an alert
    catches up, a desk is re-armed) may come after another by the same detection, of other slots: its dedupe keys
    name the slots.
    """

    detection: Detection
    wishes: Sequence[WantedSlots]
    reached: Sequence[Recipient]
    seen_at: datetime
    slots: Sequence[SlotRow] = ()
    late: bool = False

    def wishes_of(self) -> dict[UUID, list[WantedSlots]]:
        """Return the wishes by user."""
        found = defaultdict(list)
        for wish in self.wishes:
            found[wish.user_id].append(wish)
        return found

    def key(self, wishes: Iterable[WantedSlots], now: datetime) -> str:
        """Return how the dedupe keys of a user's notifications begin.

        What was told late may be told late again, by the same detection, where the first message was never sent
        (its slots were unconfirmed, the alert paused), or to another alert of the same person.
        """
        if not self.late:
            return f"slot:{self.detection.id}"
        what = short_hash(f"{wish.alert_id}:{write_ranges(wish.slots)}" for wish in wishes)
        return f"open:{self.detection.id}:{what}:{now:%Y%m%dT%H%M%S.%f}"


def short_hash(names: Iterable[object]) -> str:
    """Return a short name of a set, the same for any order."""
    text = ",".join(sorted({str(each) for each in names}))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def next_nudge(now: datetime, times: int = 0) -> datetime:
    """Return when a row that was nudged that often may be thought lost: each time after a longer wait."""
    wait = min(settings().nudge_seconds * 2 ** min(times, 30), settings().nudge_max_seconds)
    return now + timedelta(seconds=wait)


def write(
    session: Session, telling: MatchResult, now: datetime, outright: InlineClaim | None = None
) -> list[UUID]:
    """Write matches and notifications; return the ids of the new notifications that wait to be claimed.

    One per person and contact, however many alerts of that person match. The others are `outright`'s.
    """
    of_user = telling.wishes_of()
    taken = outright.select_contacts(session, telling.reached, telling.slots) if outright else set()
    values = [
        _slot_alert(telling, each, of_user[each.user_id], now)
        | (outright.columns() if outright and each.contact_id in taken else {})
        for each in telling.reached
    ]
    fresh = _write(session, telling, values, of_user, now)
    if outright:
        slots = {slot.id: slot for slot in telling.slots}
        for row, to in zip(values, telling.reached, strict=True):
            if row["id"] in fresh and to.contact_id in taken:
                outright.add(row, to.address, telling.detection, of_user[to.user_id], slots)
    return [row["id"] for row in values if row["id"] in fresh and row["contact_id"] not in taken]


def _write(
    session: Session,
    telling: MatchResult,
    values: Sequence[Mapping[str, Any]],
    of_user: Mapping[UUID, Sequence[WantedSlots]],
    now: datetime,
) -> set[UUID]:
    """Write all of it in one statement; return the ids of the notifications whose dedupe key was new."""
    detection = telling.detection.id
    met = [(new_id(), each.alert_id, detection, each.limits_version, now) for each in telling.wishes]
    ranges = {slots: write_ranges(slots) for slots in {wish.slots for wish in telling.wishes}}
    slots = [(wish.alert_id, wish.slots[0], ranges[wish.slots]) for wish in telling.wishes]
    joined = [(row["id"], wish.alert_id) for row in values for wish in of_user[row["user_id"]]]
    told = [[row[name] for name in _TOLD.names] for row in values]
    given = {
        **_MET.parameters(met), **_SLOTS.parameters(slots), **_TOLD.parameters(told),
        **_JOINED.parameters(joined), "decided_at": now
    }  # fmt: skip
    return set(session.scalars(_writing(), given))


@lru_cache(maxsize=1)
def _writing() -> sa.Select[UUID]:
    """One match per alert (one that met the detection before keeps its row), its slots, and who is told of them."""
    again = insert(Match).from_select(_MET.names, sa.select(*_MET.rows().c))
    met = (
        again.on_conflict_do_update(
            index_elements=[Match.alert_id, Match.detection_id, Match.limits_version],
            set_={"decided_at": again.excluded.decided_at},
        )
        .returning(Match.alert_id, Match.id)
        .cte("met")
    )
    slot = _SLOTS.rows()
    now = sa.bindparam("decided_at", type_=MatchSlot.decided_at.type)
    those = sa.select(met.c.id, slot.c.slot_id, slot.c.slots, now).join(
        met, met.c.alert_id == slot.c.alert_id
    )
    anew = insert(MatchSlot).from_select(["match_id", "slot_id", "slots", "decided_at"], those)
    told = anew.on_conflict_do_update(
        index_elements=[MatchSlot.match_id, MatchSlot.slot_id],
        set_={"decided_at": anew.excluded.decided_at, "slots": anew.excluded.slots},
    ).cte("told")
    made = insert(Notification).from_select(_TOLD.names, sa.select(*_TOLD.rows().c))
    unheard = made.on_conflict_do_nothing(index_elements=[Notification.dedupe_key])
    fresh = unheard.returning(Notification.id).cte("fresh")
    pair = _JOINED.rows()
    pairs = sa.select(fresh.c.id, met.c.id).select_from(
        pair.join(fresh, fresh.c.id == pair.c.id).join(met, met.c.alert_id == pair.c.alert_id)
    )
    joined = insert(NotificationMatch).from_select(["notification_id", "match_id"], pairs).cte("joined")
    return sa.select(fresh.c.id).add_cte(told, joined)


def _slot_alert(
    telling: MatchResult, to: Recipient, wishes: list[WantedSlots], now: datetime
) -> dict[str, Any]:
    detection = telling.detection
    return {
        "id": new_id(), "user_id": to.user_id, "contact_id": to.contact_id, "channel": to.channel,
        "kind": SLOT_DETECTED, "language": wishes[0].language or to.language, "priority": Priority.CRITICAL,
        "params": {"detection_id": str(detection.id), "desk_id": detection.desk_id},
        "dedupe_key": f"{telling.key(wishes, now)}:{to.contact_id}",
        "seen_at": telling.seen_at, "committed_at": None if telling.late else detection.committed_at,
        "matched_at": now, "created_at": now, "next_attempt_at": now, "next_nudge_at": next_nudge(now),
        "state": State.PENDING, "attempts": 0, "lease_token": None, "lease_until": None,
    }  # fmt: skip


def create_notifications(
    session: Session, user_id: UUID, kind: str, params: dict[str, Any], dedupe_key: str, *, priority: str
) -> list[UUID]:
    """Write a notification for each contact that the kind speaks to; return the ids of the new ones.

    Raises:
        notifier.message_kinds.UnknownKind: no such kind; names those that exist.
    """
    may_go_to = kind_of(kind).accepts_contact
    language = session.get_one(User, user_id).language
    contacts = session.scalars(sa.select(Contact).where(Contact.user_id == user_id).order_by(Contact.id))
    now = clock()
    values: list[dict[str, Any]] = [
        {
            "id": new_id(), "user_id": user_id, "contact_id": contact.id, "channel": contact.channel,
            "kind": kind, "language": language, "params": params, "priority": Priority(priority),
            "dedupe_key": f"{dedupe_key}:{contact.channel.value}", "created_at": now,
            "next_attempt_at": now, "next_nudge_at": next_nudge(now),
        }
        for contact in contacts
        if may_go_to(contact) and any(speaks(kind, each, contact.channel) for each in languages_of(kind))
    ]  # fmt: skip
    if not values:
        return []
    made = (
        insert(Notification).values(values).on_conflict_do_nothing(index_elements=[Notification.dedupe_key])
    )
    new = set(session.scalars(made.returning(Notification.id)))
    return [row["id"] for row in values if row["id"] in new]
