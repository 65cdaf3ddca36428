"""Reads of detections: their slots, counted, and the first slot's date."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.detections.schemas import DetectionPage, OwnDetection, PublicDetection
from api.models.alert import Alert
from api.models.notification import Match
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.models.slot_ids import select_announced_slots
from api.proofs.queries import make_proof_link
from configs.desk import zone_of
from configs.prefecture import prefectures

PARIS = "Europe/Paris"


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """The slots of a detection: their number, the first with an hour, the first with a day only."""

    slots: int
    starts_at: datetime | None
    day: date | None


_NOTHING = SlotSummary(0, None, None)


def list_public_detections(session: Session, found: Iterable[Detection]) -> list[PublicDetection]:
    """Return these detections with all their slots."""
    detections = list(found)
    ids = [each.id for each in detections]
    told = _summarize_slots(
        session, sa.select(DetectionSlot).where(DetectionSlot.detection_id.in_(ids)).subquery()
    )
    return [
        PublicDetection(**_build_fields(each, told.get(each.id, _NOTHING)), proof=None) for each in detections
    ]


def list_own_detections(session: Session, user_id: UUID, before: UUID | None, limit: int) -> DetectionPage:
    """Return a page of detections that the user's alerts matched, the newest first, with the matched slots."""
    query = (
        sa.select(Match.detection_id)
        .join(Alert)
        .where(Alert.user_id == user_id)
        .distinct()
        .order_by(Match.detection_id.desc())  # UUIDv7: the order of time
        .limit(limit + 1)
    )
    ids = list(session.scalars(query.where(Match.detection_id < before) if before else query))
    page = ids[:limit]
    items = _read_own(session, user_id, page)
    return DetectionPage(items=items, next=page[-1] if len(ids) > limit else None)


def _read_own(session: Session, user_id: UUID, ids: list[UUID]) -> list[OwnDetection]:
    told, alerts = (
        _summarize_slots(session, _select_matched_slots(user_id, ids)),
        _read_alert_ids(session, user_id, ids),
    )
    rows = session.scalars(sa.select(Detection).where(Detection.id.in_(ids)).order_by(Detection.id.desc()))
    return [
        OwnDetection(
            **_build_fields(each, told.get(each.id, _NOTHING)),
            proof=make_proof_link(each),
            alert_ids=alerts[each.id],
        )
        for each in rows
    ]


def _select_matched_slots(user_id: UUID, ids: list[UUID]) -> sa.Subquery:
    told = select_announced_slots()
    return (
        sa.select(Match.detection_id, told.c.slot_id)
        .join(Alert)
        .join(told, told.c.match_id == Match.id)
        .where(Alert.user_id == user_id, Match.detection_id.in_(ids))
        .distinct()
        .subquery()
    )


def _read_alert_ids(session: Session, user_id: UUID, ids: list[UUID]) -> dict[UUID, list[UUID]]:
    query = sa.select(Match.detection_id, sa.func.array_agg(Match.alert_id.distinct())).join(Alert)
    mine = query.where(Alert.user_id == user_id, Match.detection_id.in_(ids))
    rows = session.execute(mine.group_by(Match.detection_id))
    return {detection_id: list(alert_ids) for detection_id, alert_ids in rows}


def _summarize_slots(session: Session, told_of: sa.Subquery) -> dict[UUID, SlotSummary]:
    """Summarize pairs of (detection_id, slot_id) by detection."""
    query = (
        sa.select(
            told_of.c.detection_id,
            sa.func.sum(sa.func.coalesce(SlotRow.seats, 1)),
            sa.func.min(SlotRow.starts_at),
            sa.func.min(SlotRow.moment).filter(SlotRow.starts_at.is_(None), SlotRow.moment != "open"),
        )
        .join(SlotRow, SlotRow.id == told_of.c.slot_id)
        .group_by(told_of.c.detection_id)
    )
    return {
        detection_id: SlotSummary(slots, starts_at, date.fromisoformat(day[:10]) if day else None)
        for detection_id, slots, starts_at, day in session.execute(query)
    }


def _build_fields(detection: Detection, told: SlotSummary) -> dict[str, Any]:
    day, hour = _find_first_moment(told, detection.prefecture_id)
    return {
        "id": detection.id,
        "prefecture_id": detection.prefecture_id,
        "desk_id": detection.desk_id,
        "label": detection.label,
        "site": detection.site,
        "slots_available": told.slots,
        "slot_date": day,
        "slot_time": hour,
        "booking_url": detection.booking_url,
        "detected_at": detection.seen_at,
    }


def _find_first_moment(told: SlotSummary, prefecture_id: str) -> tuple[date | None, str | None]:
    """Return the first slot's day and hour in the prefecture's own time."""
    if told.starts_at is None:
        return told.day, None
    place = prefectures().get(prefecture_id)
    local = told.starts_at.astimezone(zone_of(place.time_zone if place else PARIS))
    return (told.day, None) if told.day and told.day < local.date() else (local.date(), f"{local:%H:%M}")
