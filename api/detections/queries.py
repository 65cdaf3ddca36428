"""Reads of detections: their slots, counted, and the first slot's date."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INT8RANGE
from sqlalchemy.orm import Session

from api.detections.schemas import (
    DetectionDetail,
    DetectionPage,
    DetectionQuery,
    OwnDetection,
    PublicDetection,
    SlotAnswer,
)
from api.errors import not_found
from api.models.alert import Alert
from api.models.base import is_any_given
from api.models.notification import Match, MatchSlot
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.models.slot_ids import announced_ids
from api.paging import cut_page
from api.proofs.queries import make_proof_link
from configs.clock import clock
from configs.desk import zone_of
from configs.prefecture import prefectures
from configs.settings import settings

PARIS = "Europe/Paris"
Summaries = sa.Select[UUID, int, datetime | None, str | None]
_MOST_SLOTS = 500  # of one detection that are shown one by one


@dataclass(frozen=True, slots=True)
class SlotSummary:
    """The slots of a detection: their number, the first with an hour, the first with a day only."""

    slots: int
    starts_at: datetime | None
    day: date | None


_NOTHING = SlotSummary(0, None, None)


def get_public_cutoff() -> datetime:
    """Return the moment up to which public pages show slots: the product is the alert."""
    return clock() - timedelta(seconds=settings().public_delay_seconds)


def list_public_detections(session: Session, found: Iterable[Detection]) -> list[PublicDetection]:
    """Return these detections with all their slots."""
    detections = list(found)
    told = _summarize_slots(session, _select_public_summaries(), {"ids": [each.id for each in detections]})
    return [
        PublicDetection(**_build_fields(each, told.get(each.id, _NOTHING)), proof=None) for each in detections
    ]


@cache
def _select_public_summaries() -> Summaries:
    pairs = sa.select(DetectionSlot).where(is_any_given(DetectionSlot.detection_id, "ids")).subquery()
    return _select_summaries(pairs, pairs.c.slot_id == SlotRow.id)


def list_own_detections(session: Session, user_id: UUID, page: DetectionQuery) -> DetectionPage:
    """Return a page of detections that the user's alerts matched, the newest first, with the matched slots."""
    given = {"user": user_id, "before": page.before, "most": page.limit + 1}
    ids, more = cut_page(session.scalars(_select_newest(page.before is not None), given).all(), page.limit)
    return DetectionPage(items=_read_own(session, user_id, ids), next=ids[-1] if more else None)


@cache
def _select_newest(goes_on: bool) -> sa.Select[UUID]:
    """Return the query for the newest detections of the alerts of `user`: of each alert no more than a page is read.

    `goes_on`: only those `before` a detection.
    """
    of_alert = sa.select(Match.detection_id).where(Match.alert_id == Alert.id)
    if goes_on:
        of_alert = of_alert.where(Match.detection_id < sa.bindparam("before"))
    most = sa.bindparam("most", type_=sa.Integer())
    # UUIDv7: the order of time
    newest = of_alert.distinct().order_by(Match.detection_id.desc()).limit(most).lateral("newest")
    key = newest.c.detection_id
    query = sa.select(key).select_from(Alert).join(newest, sa.true())
    return query.where(Alert.user_id == sa.bindparam("user")).distinct().order_by(key.desc()).limit(most)


def read_own_detection(session: Session, user_id: UUID, detection_id: UUID) -> DetectionDetail:
    """Return one detection that the user's alerts matched, with its slots.

    Raises:
        api.errors.ApiError: 404.
    """
    own = _read_own(session, user_id, [detection_id])
    if not own:
        raise not_found("detection")
    slots = session.scalars(_select_slots(), {"user": user_id, "ids": [detection_id]})
    shown = [_build_slot(slot, own[0].prefecture_id) for slot in slots]
    return DetectionDetail(**dict(own[0]), slots=shown)


@cache
def _select_slots() -> sa.Select[SlotRow]:
    matched = _select_matched_slots()
    query = sa.select(SlotRow).join(matched, _is_within(matched))
    return query.order_by(SlotRow.moment, SlotRow.id).limit(_MOST_SLOTS)


def _build_slot(slot: SlotRow, prefecture_id: str) -> SlotAnswer:
    named = date.fromisoformat(slot.moment[:10]) if slot.moment != "open" and not slot.starts_at else None
    day, hour = _find_first_moment(SlotSummary(1, slot.starts_at, named), prefecture_id)
    return SlotAnswer(
        place=slot.place_label,
        date=day,
        time=hour,
        seats=slot.seats,
        url=slot.url,
        opened_at=slot.opened_at,
        last_seen_at=slot.seen_at,
        gone_at=slot.gone_at,
        gone_reason=slot.gone_reason,
    )


def _read_own(session: Session, user_id: UUID, ids: list[UUID]) -> list[OwnDetection]:
    """Return those of these detections that the user's alerts matched, the newest first."""
    given = {"user": user_id, "ids": ids}
    told = _summarize_slots(session, _select_own_summaries(), given)
    rows = session.execute(_select_own(), given)
    return [
        OwnDetection(
            **_build_fields(each, told.get(each.id, _NOTHING)),
            proof=make_proof_link(each),
            alert_ids=alert_ids,
        )
        for each, alert_ids in rows
    ]


@cache
def _select_own() -> sa.Select[Detection, list[UUID]]:
    """Return the query for the detections `ids` that alerts of `user` matched, with the alerts' ids."""
    alert_ids = sa.func.array_agg(Match.alert_id.distinct())
    query = sa.select(Match.detection_id, alert_ids.label("alert_ids")).join(Alert)
    mine = query.where(Alert.user_id == sa.bindparam("user"), is_any_given(Match.detection_id, "ids"))
    matched = mine.group_by(Match.detection_id).subquery()
    own = sa.select(Detection, matched.c.alert_ids).join(matched, matched.c.detection_id == Detection.id)
    return own.order_by(Detection.id.desc())


@cache
def _select_own_summaries() -> Summaries:
    matched = _select_matched_slots()
    return _select_summaries(matched, _is_within(matched))


def _select_matched_slots() -> sa.Subquery:
    """Return the query for (detection_id, span): the ids of the slots that alerts of `user` matched, as ranges."""
    span = sa.func.unnest(sa.func.range_agg(announced_ids()), type_=INT8RANGE()).label("span")
    return (
        sa.select(Match.detection_id, span)
        .join(Alert, Alert.id == Match.alert_id)
        .join(MatchSlot, MatchSlot.match_id == Match.id)
        .where(Alert.user_id == sa.bindparam("user"), is_any_given(Match.detection_id, "ids"))
        .group_by(Match.detection_id)
        .subquery()
    )


def _is_within(matched: sa.Subquery) -> sa.ColumnElement[bool]:
    """Return the condition that a slot is of a range.

    Two comparisons can only be looked up in the index. Of ids from generate_series PostgreSQL expects millions, and
    reads the whole table for them.
    """
    return sa.and_(SlotRow.id >= sa.func.lower(matched.c.span), SlotRow.id < sa.func.upper(matched.c.span))


def _select_summaries(told_of: sa.Subquery, names_slot: sa.ColumnElement[bool]) -> Summaries:
    """Return the query for slots, counted by detection, the first with an hour, the first with a day only.

    `names_slot`: the condition under which a row of `told_of` names a slot.
    """
    return (
        sa.select(
            told_of.c.detection_id,
            sa.func.sum(sa.func.coalesce(SlotRow.seats, 1)),
            sa.func.min(SlotRow.starts_at),
            sa.func.min(SlotRow.moment).filter(SlotRow.starts_at.is_(None), SlotRow.moment != "open"),
        )
        .join(SlotRow, names_slot)
        .group_by(told_of.c.detection_id)
    )


def _summarize_slots(session: Session, query: Summaries, given: dict[str, Any]) -> dict[UUID, SlotSummary]:
    return {
        detection_id: SlotSummary(slots, starts_at, date.fromisoformat(day[:10]) if day else None)
        for detection_id, slots, starts_at, day in session.execute(query, given)
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
