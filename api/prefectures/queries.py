"""Reads of prefectures, with the best status of their desks."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.detections.queries import get_public_cutoff, list_public_detections
from api.models.desk import DeskStatus
from api.models.slot import Detection
from api.prefectures.desk_queries import WatchStates, read_watch_states
from api.prefectures.schemas import DeskAnswer, PrefectureAnswer, PrefectureList, PrefecturePage
from configs.world.check_intervals import TIERS
from configs.world.prefecture import Grade, Prefecture, prefectures

RECENT = 20
_BEST = tuple(DeskStatus)


def read_prefectures(session: Session) -> PrefectureList:
    """Return every prefecture, in the order of their departments."""
    known = sorted(prefectures().values(), key=lambda each: each.department)
    now = read_watch_states(session, [desk for each in known for desk in each.desks])
    return PrefectureList(items=[_build_answer(each, now) for each in known])


def read_prefecture_page(session: Session, place: Prefecture) -> PrefecturePage:
    """Return one prefecture with its latest public detections."""
    answer = _build_answer(place, read_watch_states(session, place.desks))
    query = (
        sa.select(Detection)
        .where(Detection.prefecture_id == place.id, Detection.seen_at <= get_public_cutoff())
        .order_by(Detection.seen_at.desc())
        .limit(RECENT)
    )
    recent = list_public_detections(session, session.scalars(query))
    return PrefecturePage(**dict(answer), recent_detections=recent)


def _build_answer(place: Prefecture, now: WatchStates) -> PrefectureAnswer:
    desks = [now.build_public_answer(desk) for desk in place.desks if desk.grade is not Grade.RETIRED]
    best = min(desks, key=lambda desk: _BEST.index(desk.status), default=None)
    paused = place.paused_because
    return PrefectureAnswer(
        id=place.id,
        name=place.name,
        department=place.department,
        region=place.region,
        tier=place.tier,
        status=best.status if best and not paused else DeskStatus.PAUSED,
        status_reason=paused or (best.status_reason if best else ""),
        check_interval=_find_interval(place, desks),
        last_scraped_at=_find_latest(desk.last_checked_at for desk in desks),
        last_slot_found_at=_find_latest(desk.last_slot_found_at for desk in desks),
        consecutive_errors=min((desk.consecutive_errors for desk in desks), default=0),
        desks=desks,
    )


def _find_interval(place: Prefecture, desks: list[DeskAnswer]) -> float:
    planned = [
        max(desk.wished_interval, desk.feasible_interval or 0) for desk in desks if desk.wished_interval
    ]
    return min(planned, default=TIERS[place.tier]())


def _find_latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment), default=None)
