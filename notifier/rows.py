"""Writes what was decided: matches, the slots they tell of, and a notification per person and contact."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.orm import Session

import api.models.tables  # noqa: F401 -- a flush resolves foreign keys of tables that nobody here names
from api.models.base import Base, new_id
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch, Priority
from api.models.slot import Detection
from api.models.user import Contact, User
from configs.clock import clock
from configs.settings import settings
from notifier.kinds import SLOT_DETECTED, kind_of
from notifier.matching import Wish
from notifier.messages import languages_of, speaks
from notifier.recipients import Recipient


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told what by one detection.

    `seen_at` is when the slots were seen last. `late` telling (an alert catches up, a desk is re-armed) may
    come after another by the same detection, of other slots: its dedupe keys name the slots.
    """

    detection: Detection
    wishes: Sequence[Wish]
    reached: Sequence[Recipient]
    seen_at: datetime
    late: bool = False

    def wishes_of(self) -> dict[UUID, list[Wish]]:
        """Return the wishes by user."""
        found = defaultdict(list)
        for wish in self.wishes:
            found[wish.user_id].append(wish)
        return found

    def key(self, wishes: Iterable[Wish], now: datetime) -> str:
        """Return how the dedupe keys of a user's notifications begin.

        What was told late may be told late again, by the same detection, where the first message was never sent
        (its slots were unconfirmed, the alert paused), or to another alert of the same person.
        """
        if not self.late:
            return f"slot:{self.detection.id}"
        what = digest(f"{wish.alert_id}:{slot}" for wish in wishes for slot in wish.slots)
        return f"open:{self.detection.id}:{what}:{now:%Y%m%dT%H%M%S.%f}"


def digest(names: Iterable[object]) -> str:
    """Return a short name of a set, the same for any order."""
    text = ",".join(sorted({str(each) for each in names}))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def next_nudge(now: datetime, times: int = 0) -> datetime:
    """Return when a row that was nudged that often may be thought lost: each time after a longer wait."""
    wait = min(settings().nudge_seconds * 2 ** min(times, 30), settings().nudge_max_seconds)
    return now + timedelta(seconds=wait)


def write(session: Session, telling: Telling, now: datetime) -> list[UUID]:
    """Write matches and notifications; return the ids of the new notifications.

    One per person and contact, however many alerts of that person match.
    """
    matches = _write_matches(session, telling, now)
    of_user = telling.wishes_of()
    values = [_slot_alert(telling, each, of_user[each.user_id], now) for each in telling.reached]
    fresh = _insert(session, values)
    mine = set(fresh)
    joined = [
        (row["id"], matches[wish.alert_id])
        for row in values
        if row["id"] in mine
        for wish in of_user[row["user_id"]]
    ]
    insert_many(session, NotificationMatch, ("notification_id", "match_id"), joined)
    return fresh


def _write_matches(session: Session, telling: Telling, now: datetime) -> dict[UUID, UUID]:
    """Write one match per alert, and its slots; an alert that met the detection before keeps its row."""
    detection = telling.detection.id
    values = [(new_id(), each.alert_id, detection, each.limits_version, now) for each in telling.wishes]
    names = ("id", "alert_id", "detection_id", "limits_version", "decided_at")
    again = unnested(Match, names, values)
    kept = again.on_conflict_do_update(
        index_elements=[Match.alert_id, Match.detection_id, Match.limits_version],
        set_={"decided_at": again.excluded.decided_at},
    ).returning(Match.alert_id, Match.id)
    ids = {row.alert_id: row.id for row in session.execute(kept)}
    slots = [(ids[wish.alert_id], slot, now) for wish in telling.wishes for slot in wish.slots]
    told = unnested(MatchSlot, ("match_id", "slot_id", "decided_at"), slots)
    anew = told.on_conflict_do_update(
        index_elements=[MatchSlot.match_id, MatchSlot.slot_id], set_={"decided_at": told.excluded.decided_at}
    )
    session.execute(anew)
    return ids


def unnested(table: type[Base], names: Sequence[str], values: Sequence[tuple[Any, ...]]) -> Insert:
    """Return one insert of many rows: a parameter per column instead of one per value."""
    columns = [table.__table__.c[name] for name in names]
    arrays = [
        sa.literal(list(each), ARRAY(column.type))
        for column, each in zip(columns, zip(*values, strict=True), strict=True)
    ]
    named = (sa.column(each.name, each.type) for each in columns)
    rows = sa.func.unnest(*arrays).table_valued(*named).render_derived()
    return insert(table).from_select(list(names), sa.select(*rows.c))


def insert_many(
    session: Session, table: type[Base], names: Sequence[str], values: Sequence[tuple[Any, ...]]
) -> None:
    """Insert many rows, if there are any."""
    if values:
        session.execute(unnested(table, names, values))


def _slot_alert(telling: Telling, to: Recipient, wishes: list[Wish], now: datetime) -> dict[str, Any]:
    detection = telling.detection
    return {
        "id": new_id(), "user_id": to.user_id, "contact_id": to.contact_id, "channel": to.channel,
        "kind": SLOT_DETECTED, "language": wishes[0].language or to.language, "priority": Priority.CRITICAL,
        "params": {"detection_id": str(detection.id), "desk_id": detection.desk_id},
        "dedupe_key": f"{telling.key(wishes, now)}:{to.contact_id}",
        "seen_at": telling.seen_at, "committed_at": None if telling.late else detection.committed_at,
        "matched_at": now, "created_at": now, "next_attempt_at": now, "next_nudge_at": next_nudge(now),
    }  # fmt: skip


def _insert(session: Session, values: list[dict[str, Any]]) -> list[UUID]:
    """Write notifications; return the ids of those whose dedupe key was new, in their order."""
    if not values:
        return []
    made = unnested(Notification, list(values[0]), [tuple(each.values()) for each in values])
    fresh = made.on_conflict_do_nothing(index_elements=[Notification.dedupe_key]).returning(Notification.id)
    new = set(session.scalars(fresh))
    return [row["id"] for row in values if row["id"] in new]


def tell(
    session: Session, user_id: UUID, kind: str, params: dict[str, Any], dedupe_key: str, *, priority: str
) -> list[UUID]:
    """Write a notification for each contact that the kind speaks to; return the ids of the new ones.

    Raises:
        notifier.kinds.UnknownKind: no such kind; names those that exist.
    """
    may_go_to = kind_of(kind).may_go_to
    language = session.get_one(User, user_id).language
    contacts = session.scalars(sa.select(Contact).where(Contact.user_id == user_id).order_by(Contact.id))
    now = clock()
    values = [
        {
            "id": new_id(), "user_id": user_id, "contact_id": contact.id, "channel": contact.channel,
            "kind": kind, "language": language, "params": params, "priority": Priority(priority),
            "dedupe_key": f"{dedupe_key}:{contact.channel.value}", "created_at": now,
            "next_attempt_at": now, "next_nudge_at": next_nudge(now),
        }
        for contact in contacts
        if may_go_to(contact) and any(speaks(kind, each, contact.channel) for each in languages_of(kind))
    ]  # fmt: skip
    return _insert(session, values)
