"""Reads of prefectures: the map, the list, a page of each; the best status of their desks; how many people wait."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert, AlertTarget
from api.models.desk import DeskStatus
from api.models.slot import Detection, is_from_check
from api.models.watchability import find_slightest
from api.prefectures.detections import get_public_cutoff, list_public_detections
from api.prefectures.schemas import (
    DeskAnswer,
    MapTile,
    PrefectureAnswer,
    PrefectureList,
    PrefecturePage,
    SeenDesks,
    TileMap,
)
from api.prefectures.watch_states import WatchStates, read_watch_states
from configs.world.desk import TIERS, Desk, Grade, Procedure, WatchLevel
from configs.world.prefecture import Prefecture, desks, prefectures
from configs.world.tile_grid import Tile, load_tiles

_BEST_STATUS = tuple(DeskStatus)
_BEST_LEVEL = tuple(WatchLevel)
RECENT = 20
FEW = 10  # people; the public reads no smaller number


def build_map_key(procedure: Procedure | None) -> str:
    """Return the cache's key of the map of a procedure, or of all."""
    return f"map:{procedure.value if procedure else 'all'}"


def read_map(session: Session, procedure: Procedure | None) -> TileMap:
    """Return all departments; `procedure`: only desks that serve it count."""
    places = {place.department: place for place in prefectures().values()}
    serving = {code: list_serving_desks(place, procedure) for code, place in places.items()}
    now = read_watch_states(session, [desk for desks in serving.values() for desk in desks])
    return TileMap(
        procedure=procedure,
        seen=_count_seen(serving.values(), now),
        items=[
            _build_tile(code, tile, places.get(code), serving.get(code, []), now)
            for code, tile in load_tiles().items()
        ],
    )


def list_serving_desks(place: Prefecture, procedure: Procedure | None) -> list[Desk]:
    """Return the desks of a prefecture that serve a procedure (any, where it is None), without those that are gone."""
    return [
        desk
        for desk in place.desks
        if desk.grade is not Grade.RETIRED and (procedure is None or procedure in desk.procedures)
    ]


def find_best_level(desks: Collection[Desk], now: WatchStates) -> WatchLevel:
    """Return the best that can be known of these desks now: nothing of those whose page closed or moved."""
    open_desks = (desk for desk in desks if desk.schedulable and desk.id not in now.lost)
    levels = [now.standings[desk.id].watch_level for desk in open_desks]
    return min(levels, key=_BEST_LEVEL.index, default=WatchLevel.NONE)


def _count_seen(serving: Iterable[Collection[Desk]], now: WatchStates) -> SeenDesks:
    seen = [[desk for desk in desks if now.standings[desk.id].is_watchable] for desks in serving]
    served = [{each for desk in desks for each in desk.procedures} for desks in seen]
    departments = Counter(each for procedures in served for each in procedures)
    return SeenDesks(
        desks=sum(map(len, seen)),
        departments=sum(map(bool, seen)),
        by_procedure={each: departments[each] for each in Procedure if departments[each]},
    )


def _build_tile(
    code: str, tile: Tile, place: Prefecture | None, desks: list[Desk], now: WatchStates
) -> MapTile:
    statuses = [now.build_public_answer(desk).status for desk in desks]
    nearest = find_slightest(now.standings[desk.id] for desk in desks)
    return MapTile.of_row(
        tile,
        department=code,
        prefecture_id=place.id if place else None,
        name=place.name if place else None,
        desks=len(desks),
        watch_level=find_best_level(desks, now),
        not_watchable=nearest.hindrance if nearest else None,
        last_proven_at=nearest.last_proven_at if nearest else None,
        sure_until=nearest.sure_until if nearest else None,
        last_look_at=_find_latest(looks.last_at for desk in desks if (looks := now.get_looks(desk))),
        status=min(statuses, key=_BEST_STATUS.index, default=None),
    )


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
        .where(Detection.prefecture_id == place.id, is_from_check(Detection))
        .where(Detection.seen_at <= get_public_cutoff())
        .order_by(Detection.seen_at.desc())
        .limit(RECENT)
    )
    recent = list_public_detections(session, session.scalars(query))
    waiting = round_for_public(session, place.id)
    return PrefecturePage(**dict(answer), recent_detections=recent, people_waiting=waiting)


def _build_answer(place: Prefecture, now: WatchStates) -> PrefectureAnswer:
    desks = [now.build_public_answer(desk) for desk in place.desks if desk.grade is not Grade.RETIRED]
    best = min(desks, key=lambda desk: _BEST_STATUS.index(desk.status), default=None)
    paused = place.paused_because
    return PrefectureAnswer.of_row(
        place,
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


def count_unmet(session: Session) -> dict[tuple[str, Procedure], int]:
    """Return how many people wait until a desk can be watched, by prefecture and procedure, most first."""
    query = (
        sa.select(Alert.user_id, AlertTarget.prefecture_id, AlertTarget.procedure, AlertTarget.desk_id)
        .join(AlertTarget)
        .where(Alert.awaits_watch, Alert.closed_at.is_(None))
    )
    people: dict[tuple[str, Procedure], set[object]] = defaultdict(set)
    for user_id, place, procedure, desk_id in session.execute(query):
        desk = desks().get(desk_id or "")
        for each in [procedure] if procedure else desk.procedures if desk else ():
            people[desk.prefecture_id if desk else place or "", each].add(user_id)
    return dict(sorted(((key, len(who)) for key, who in people.items()), key=lambda pair: -pair[1]))


def round_for_public(session: Session, prefecture_id: str) -> dict[Procedure, int]:
    """Return how many people wait for each procedure of a prefecture, rounded down to tens; nothing below FEW."""
    return {
        procedure: waiting // FEW * FEW
        for (place, procedure), waiting in count_unmet(session).items()
        if place == prefecture_id and waiting >= FEW
    }
