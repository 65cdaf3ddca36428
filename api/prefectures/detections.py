"""Reads of detections: their slots, counted, the first slot's date, the proof that a link leads to, public counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, INT8RANGE, JSON, aggregate_order_by
from sqlalchemy.orm import Session

from api.ground.cache import answer_cache
from api.ground.errors import ensure_found
from api.ground.paging import PageQuery, cut_page
from api.models.alert import Alert
from api.models.base import is_any_of, write_array
from api.models.notification import Match
from api.models.slot import Detection, DetectionSlot, SlotRow, is_from_check
from api.prefectures.schemas import (
    AlertDetection,
    DetectionDetail,
    DetectionPage,
    DetectionStats,
    OwnDetection,
    PrefectureCount,
    PublicDetection,
    SlotAnswer,
)
from configs.ground.clock import clock
from configs.ground.proofs import NoProof, is_kept, is_key
from configs.ground.signing import ShowProof, read_token, write_link
from configs.settings import Constant
from configs.world.desk import zone_of
from configs.world.prefecture import desks, prefectures
from configs.world.retention import PROOFS_KEPT_FOR

# How late public pages tell of slots (the product is the alert)
_public_delay_seconds = Constant("PUBLIC_DELAY_SECONDS", 3600.0)

PARIS = "Europe/Paris"
Row = sa.Row[Any]
_SHOWN = (
    Detection.id, Detection.prefecture_id, Detection.desk_id, Detection.label, Detection.site,
    Detection.booking_url, Detection.seen_at, Detection.proof_key,
)  # fmt: skip
_STATS_SECONDS = 60.0  # of a year's detections counting takes a tenth of a second
_SEATS = sa.func.coalesce(SlotRow.seats, 1)
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
    return clock() - timedelta(seconds=_public_delay_seconds())


def list_public_detections(session: Session, found: Iterable[Detection]) -> list[PublicDetection]:
    """Return these detections with all their slots."""
    detections = list(found)
    is_one = is_any_of(DetectionSlot.detection_id, [each.id for each in detections])
    pairs = sa.select(DetectionSlot).where(is_one).subquery()
    query = sa.select(pairs.c.detection_id, *_summarize()).join(SlotRow, pairs.c.slot_id == SlotRow.id)
    rows = session.execute(query.group_by(pairs.c.detection_id))
    told = {detection_id: _build_summary(*summary) for detection_id, *summary in rows}
    return [
        PublicDetection.of_row(each, **_build_fields(each, told.get(each.id, _NOTHING)), proof=None)
        for each in detections
    ]


def _build_summary(slots: int | None, starts_at: datetime | None, day: str | None) -> SlotSummary:
    return SlotSummary(slots or 0, starts_at, date.fromisoformat(day[:10]) if day else None)


def list_own_detections(session: Session, user_id: UUID, page: PageQuery) -> DetectionPage:
    """Return a page of detections that the user's alerts matched, the newest first, with the matched slots."""
    given = {"user": user_id, "rounds": _list_rounds(), "before": page.before, "most": page.limit + 1}
    found = session.execute(_select_page(page.before is not None), given).all()
    rows, more = cut_page(found, page.limit)
    return DetectionPage(items=[_build_own(row) for row in rows], next=rows[-1].id if more else None)


@cache
def _select_page(goes_on: bool) -> sa.Select[Any]:
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
    mine = query.where(Alert.user_id == sa.bindparam("user")).distinct().order_by(key.desc()).limit(most)
    return _select_own(Match.detection_id.in_(sa.select(mine.cte("page").c.detection_id)))


def list_alert_detections(session: Session, user_id: UUID, alert_id: UUID, most: int) -> list[AlertDetection]:
    """Return the newest detections that one alert of the user matched, with the slots that it announced."""
    is_its = Match.alert_id == alert_id
    newest = sa.select(Match.detection_id).where(is_its).distinct().order_by(Match.detection_id.desc())
    page = newest.limit(most).cte("page")
    chosen = sa.and_(is_its, Match.detection_id.in_(sa.select(page.c.detection_id)))
    rows = session.execute(_select_own(chosen), {"user": user_id, "rounds": _list_rounds()})
    return [AlertDetection(**dict(_build_own(row)), slots_open=row.open_slots or 0) for row in rows]


def read_own_detection(session: Session, user_id: UUID, detection_id: UUID) -> DetectionDetail:
    """Return one detection that the user's alerts matched, with its slots.

    Raises:
        ApiError: 404.
    """
    given = {"user": user_id, "rounds": _list_rounds(), "detection": detection_id}
    one, slots = _select_one()
    row = ensure_found(session.execute(one, given).one_or_none(), "detection")
    shown = [_build_slot(slot, row.prefecture_id) for slot in session.execute(slots, given)]
    return DetectionDetail(**dict(_build_own(row)), slots=shown)


@cache
def _select_one() -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Return the queries for `detection`, if alerts of `user` matched it, and for its slots."""
    is_it = Match.detection_id == sa.bindparam("detection")
    matched = _select_spans(_select_matched(is_it))
    slots = sa.select(*SlotRow.__table__.c).join(matched, _is_within(matched))
    return _select_own(is_it), slots.order_by(SlotRow.moment, SlotRow.id).limit(_MOST_SLOTS)


def _build_slot(slot: Row, prefecture_id: str) -> SlotAnswer:
    named = date.fromisoformat(slot.moment[:10]) if slot.moment != "open" and not slot.starts_at else None
    day, hour = _find_first_moment(SlotSummary(1, slot.starts_at, named), prefecture_id)
    return SlotAnswer.of_row(slot, place=slot.place_label, date=day, time=hour, last_seen_at=slot.seen_at)


def _name_town_halls(row: Row) -> dict[str, str]:
    """Return where one goes for a department's matched slots, and the page to book on; nothing of other desks.

    A round tells what is open with the desk's latest detection, which names the town halls of its own slots.
    """
    desk = desks().get(row.desk_id)
    if not desk or not row.places:
        return {}
    site, url = desk.name_places(row.places)
    return {"site": site, "booking_url": url}


def _build_own(row: Row) -> OwnDetection:
    told = _build_fields(row, _build_summary(row.slots, row.starts_at, row.day))
    return OwnDetection.of_row(row, **told, **_name_town_halls(row), proof=make_proof_link(row))


def _list_rounds() -> str:
    """Return the ids of the desks that are a department's town halls, as an array of PostgreSQL."""
    return write_array(desk.id for desk in desks().values() if desk.in_rounds)


def _select_own(chosen: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return the query for detections that alerts of `user` matched: columns, alerts' ids, summary of matched slots.

    `chosen`: the condition on the matches' `detection_id`. `places`: of slots of the desks `rounds`, by key the
    label and the page.
    """
    matched = _select_matched(chosen)
    spans = _select_spans(matched)
    still_open = sa.func.sum(_SEATS).filter(SlotRow.gone_at.is_(None)).label("open_slots")
    place = sa.func.json_build_array(SlotRow.place_label, SlotRow.url)
    of_rounds = SlotRow.desk_id == sa.any_(sa.cast(sa.bindparam("rounds"), ARRAY(sa.Text())))
    by_key = SlotRow.place_key, aggregate_order_by(place, SlotRow.id)
    places = sa.func.json_object_agg(*by_key, type_=JSON()).filter(of_rounds).label("places")
    counts = sa.select(spans.c.detection_id, *_summarize(), still_open, places)
    told = counts.join(SlotRow, _is_within(spans)).group_by(spans.c.detection_id).subquery("told")
    return (
        sa.select(*_SHOWN, matched.c.alert_ids, *[each for each in told.c if each.name != "detection_id"])
        .join(matched, matched.c.detection_id == Detection.id)
        .outerjoin(told, told.c.detection_id == Detection.id)
        .order_by(Detection.id.desc())
    )


def _select_matched(chosen: sa.ColumnElement[bool]) -> sa.CTE:
    """Return the query for what alerts of `user` matched: `detection_id`, `alert_ids`, and the slots' `ranges`."""
    return (
        sa.select(
            Match.detection_id,
            sa.func.array_agg(Match.alert_id.distinct()).label("alert_ids"),
            sa.func.range_agg(Match.slots, type_=INT8MULTIRANGE()).label("ranges"),
        )
        .join(Alert, Alert.id == Match.alert_id)
        .where(Alert.user_id == sa.bindparam("user"), chosen)
        .group_by(Match.detection_id)
        .cte("matched")
    )


def _select_spans(matched: sa.CTE) -> sa.Subquery:
    """Return the query for (detection_id, span): a row for each range of matched slots."""
    span = sa.func.unnest(matched.c.ranges, type_=INT8RANGE()).label("span")
    return sa.select(matched.c.detection_id, span).subquery("spans")


def _is_within(spans: sa.Subquery) -> sa.ColumnElement[bool]:
    """Return the condition that a slot is of a range.

    Two comparisons can only be looked up in the index. Of ids from generate_series PostgreSQL expects millions, and
    reads the whole table for them.
    """
    return sa.and_(SlotRow.id >= sa.func.lower(spans.c.span), SlotRow.id < sa.func.upper(spans.c.span))


def _summarize() -> tuple[sa.ColumnElement[Any], ...]:
    """Return the columns of a summary: slots, the first with an hour, the first with a day only."""
    named = sa.and_(SlotRow.starts_at.is_(None), SlotRow.moment != "open")
    return (
        sa.func.sum(_SEATS).label("slots"),
        sa.func.min(SlotRow.starts_at).label("starts_at"),
        sa.func.min(SlotRow.moment).filter(named).label("day"),
    )


def _build_fields(detection: Detection | Row, told: SlotSummary) -> dict[str, Any]:
    day, hour = _find_first_moment(told, detection.prefecture_id)
    moments = {"slot_date": day, "slot_time": hour, "detected_at": detection.seen_at}
    return {"slots_available": told.slots, **moments}


def _find_first_moment(told: SlotSummary, prefecture_id: str) -> tuple[date | None, str | None]:
    """Return the first slot's day and hour in the prefecture's own time."""
    if told.starts_at is None:
        return told.day, None
    place = prefectures().get(prefecture_id)
    local = told.starts_at.astimezone(zone_of(place.time_zone if place else PARIS))
    return (told.day, None) if told.day and told.day < local.date() else (local.date(), f"{local:%H:%M}")


def read_detection_stats(session: Session) -> DetectionStats:
    """Return the number of public detections, of every prefecture that is known or had one; a minute old at most."""
    kept = answer_cache().get("detections", lambda: _count_detections(session).as_bytes(), _STATS_SECONDS)
    return DetectionStats.model_validate_json(kept.body)


def _count_detections(session: Session) -> DetectionStats:
    today = clock().astimezone(zone_of(PARIS)).replace(hour=0, minute=0, second=0, microsecond=0)
    late = sa.func.count().filter(Detection.seen_at >= today)
    rows = session.execute(
        sa.select(Detection.prefecture_id, sa.func.count(), late)
        .where(Detection.seen_at <= get_public_cutoff(), is_from_check(Detection))
        .group_by(Detection.prefecture_id)
    )
    found = dict.fromkeys(prefectures(), (0, 0)) | {each: (total, late) for each, total, late in rows}
    counts = [
        PrefectureCount(prefecture_id=each, total=total, today=late)
        for each, (total, late) in sorted(found.items())
    ]
    return DetectionStats(
        total=sum(each.total for each in counts),
        today=sum(each.today for each in counts),
        by_prefecture=counts,
    )


def make_proof_link(detection: Detection | sa.Row[Any]) -> str | None:
    """Return a link to a detection's proof, or None if it has none or it has expired. The store is not asked."""
    key = detection.proof_key
    if not key or not is_key(key) or not is_kept(key, clock(), PROOFS_KEPT_FOR):
        return None
    return write_link(ShowProof(detection.id))


def find_proof(session: Session, token: str) -> tuple[Detection, str]:
    """Return the detection of a link and the key of its proof.

    Raises:
        configs.ground.signing.LinkRefused: the link is expired or forged.
        configs.ground.proofs.NoProof: the detection is gone, or has no proof.
    """
    detection = session.get(Detection, read_token(ShowProof, token).detection)
    if detection is None or not detection.proof_key or not is_key(detection.proof_key):
        raise NoProof("missing", "no proof was kept of this detection")
    return detection, detection.proof_key
