"""Announcements of slot alerts: their detections, alerts and slots at matching, open still or not."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import is_any_of
from api.models.notification import Match, MatchSlot, Notification, NotificationMatch
from api.models.slot import Detection, SlotRow
from api.models.slot_ids import announced_ids, read_ranges
from notifier.content.slot_alert_content import StopLink
from notifier.matching import OpenedSlot


@dataclass(slots=True)
class Announcement:
    """What one slot alert announced, and the alerts that wanted it."""

    detection: Detection
    stops: list[StopLink] = field(default_factory=list)
    slots: list[OpenedSlot] = field(default_factory=list)


def read_announcements(session: Session, ids: Sequence[UUID]) -> dict[UUID, Announcement]:
    """Return by notification what it announced; nothing where all its alerts are deleted. Three queries for all."""
    found = [tuple(row) for row in session.execute(select_announced(ids))]
    detections = read_detections(session, {row[1] for row in found})
    slots = _read_slots(session, {slot for row in found for slot in _list_ids(row[5])})
    announced: dict[UUID, Announcement] = {}
    for key, detection_id, alert_id, name, _, ranges in found:
        mine = announced.setdefault(key, Announcement(detections[detection_id]))
        mine.stops.append(StopLink(alert_id, name))
        mine.slots += [slots[each] for each in _list_ids(ranges) if each in slots]
    for each in announced.values():
        each.slots = sorted(set(each.slots))  # by id
    return announced


def select_announced(ids: Sequence[UUID]) -> sa.Select[Any]:
    """Select by alert of each notification: its id, the detection's, the alert's, its name, whether it waits, slots.

    The slots are an array of multiranges as text, null where none is known.
    """
    slots = (
        sa.select(sa.func.array_agg(sa.cast(announced_ids(), sa.Text)))
        .where(MatchSlot.match_id == Match.id, MatchSlot.decided_at == Notification.matched_at)
        .scalar_subquery()
    )
    waits = sa.and_(Alert.enabled, Alert.closed_at.is_(None))
    return (
        sa.select(Notification.id, Match.detection_id, Alert.id, Alert.name, waits, slots)
        .join(NotificationMatch, NotificationMatch.notification_id == Notification.id)
        .join(Match, Match.id == NotificationMatch.match_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(is_any_of(Notification.id, ids))
        .order_by(Alert.id)
    )


def read_detections(session: Session, ids: Collection[UUID]) -> dict[UUID, Detection]:
    """Return detections by id."""
    return {row.id: row for row in session.scalars(sa.select(Detection).where(is_any_of(Detection.id, ids)))}


def _read_slots(session: Session, ids: Collection[int]) -> dict[int, OpenedSlot]:
    """Return slots by id, those that are gone too. Rows, not objects: there may be thousands."""
    wanted = sa.literal(sorted(ids), ARRAY(sa.BigInteger()))
    columns = [getattr(SlotRow, name) for name in OpenedSlot._fields]
    rows = session.execute(sa.select(*columns).where(SlotRow.id == sa.any_(wanted)))
    return {row[0]: OpenedSlot(*row) for row in rows}


def _list_ids(ranges: Iterable[str] | None) -> Iterable[int]:
    return chain.from_iterable(chain.from_iterable(read_ranges(each)) for each in ranges or ())
