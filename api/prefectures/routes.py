"""Routes of what is watched and seen: prefectures, calendar of releases, detections, statistics, the public ledger."""

from collections import Counter
from datetime import UTC, timedelta
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from api.ground.errors import ensure_found
from api.ground.paging import PageQuery
from api.ground.schemas import IdPath
from api.models.base import read_once, write_once
from api.prefectures.candidates import CandidateAnswer, NewCandidate, give_candidate
from api.prefectures.delivery_figures import list_channel_deliveries
from api.prefectures.detections import (
    get_public_cutoff,
    list_own_detections,
    read_detection_stats,
    read_own_detection,
)
from api.prefectures.queries import build_map_key, read_map, read_prefecture_page, read_prefectures
from api.prefectures.release_calendar import (
    CALENDAR_TYPE,
    CalendarQuery,
    FeedQuery,
    ReleaseCalendar,
    build_calendar_key,
    build_feed_key,
    find_places,
    read_calendar,
    read_feed,
)
from api.prefectures.reliability import CACHE_KEY, Reliability, read_reliability
from api.prefectures.schemas import (
    DetectionDetail,
    DetectionPage,
    DetectionStats,
    MapQuery,
    PrefectureList,
    PrefecturePage,
    PrefecturePath,
    PublicStats,
    TileMap,
    WatchLevels,
)
from api.web.auth import current_user_id
from api.web.openapi import BEARER, BODY, declare_errors, make_blueprint
from api.web.public_answers import answer_cached, answer_cached_bytes
from configs.world.desk import Grade, WatchLevel
from configs.world.prefecture import desks, prefectures

_FEED = {"description": "An iCalendar feed", "content": {CALENDAR_TYPE: {"schema": {"type": "string"}}}}
_DAY = timedelta(days=1)
_DAYS = 7  # of deliveries

blueprint = make_blueprint(
    "prefectures", __name__, "/api/prefectures", "prefectures", "What is watched, and how it goes"
)


@blueprint.get("", responses={200: PrefectureList, **declare_errors()})
def list_prefectures() -> Response:
    """List all prefectures with their status and their desks."""
    return answer_cached("prefectures", read_prefectures)


@blueprint.get("/map", responses={200: TileMap, **declare_errors(422)})
def show_map(query: MapQuery) -> Response:
    """Show for each department what can be watched now, and how it goes, for a tile map."""
    return answer_cached(build_map_key(query.procedure), lambda s: read_map(s, query.procedure))


@blueprint.get("/<id>", responses={200: PrefecturePage, **declare_errors(404)})
def show_prefecture(path: PrefecturePath) -> Response:
    """Show one prefecture, with its recent detections, which are published with a delay."""
    place = ensure_found(prefectures().get(path.id), "prefecture: GET /api/prefectures lists them")
    return answer_cached(f"prefecture:{place.id}", lambda s: read_prefecture_page(s, place))


calendar_blueprint = make_blueprint(
    "release_calendar", __name__, "/api", "calendar", "When prefectures put slots on line"
)


@calendar_blueprint.get("/calendar", responses={200: ReleaseCalendar, **declare_errors(422)})
def show_calendar(query: CalendarQuery) -> Response:
    """List the known release times of slots in the next eight weeks."""
    places = find_places(query)
    return answer_cached(build_calendar_key(query), lambda s: read_calendar(s, places, query.procedure))


@calendar_blueprint.get("/prefectures/<id>/calendar.ics", responses={200: _FEED, **declare_errors(404, 422)})
def show_feed(path: PrefecturePath, query: FeedQuery) -> Response:
    """Send the known release times of a prefecture and procedure as an iCalendar feed."""
    place = ensure_found(prefectures().get(path.id), "prefecture: GET /api/prefectures lists them")
    key = build_feed_key(place, query.procedure, query.language)
    return answer_cached_bytes(
        key, lambda s: read_feed(s, place, query.procedure, query.language), CALENDAR_TYPE
    )


candidates_blueprint = make_blueprint(
    "candidates",
    __name__,
    "/api/candidates",
    "candidates",
    "Booking pages that we do not know yet",
    signed_in=True,
)


@candidates_blueprint.post("", responses={201: CandidateAnswer, **declare_errors(*BODY, 401, 409, 429)})
def create_candidate(body: NewCandidate) -> tuple[dict[str, Any], int]:
    """Name a booking page that no desk has, 3 a day; the user is told once what becomes of it."""
    return write_once(give_candidate, current_user_id(), body).as_json(), 201


detections_blueprint = make_blueprint(
    "detections", __name__, "/api/detections", "detections", "What was seen for the user"
)


@detections_blueprint.get("", security=BEARER, responses={200: DetectionPage, **declare_errors(401, 422)})
def list_detections(query: PageQuery) -> dict[str, Any]:
    """List the detections that the user's alerts matched, the newest first."""
    return read_once(list_own_detections, current_user_id(), query).as_json()


@detections_blueprint.get(
    "/<uuid:id>", security=BEARER, responses={200: DetectionDetail, **declare_errors(401, 404)}
)
def show_detection(path: IdPath) -> dict[str, Any]:
    """Show one detection that the user's alerts matched: its slots, when each was seen and gone, and the proof."""
    return read_once(read_own_detection, current_user_id(), path.id).as_json()


@detections_blueprint.get("/stats", responses={200: DetectionStats, **declare_errors()})
def show_detection_stats() -> Response:
    """Count detections for everybody: in total, today, by prefecture, with the delay of public pages."""
    return answer_cached("detection-stats", read_detection_stats)


def _read_public_stats(session: Session) -> PublicStats:
    """Return the detections, the desks by what a check of them can prove, and the deliveries."""
    last = get_public_cutoff().astimezone(UTC).date() - _DAY
    return PublicStats(
        **dict(read_detection_stats(session)),
        desks=_count_desks(),
        deliveries=list_channel_deliveries(session, last - (_DAYS - 1) * _DAY, last),
    )


def _count_desks() -> WatchLevels:
    levels = Counter(
        desk.watch if desk.schedulable else WatchLevel.NONE
        for desk in desks().values()
        if desk.grade is not Grade.RETIRED
    )
    return WatchLevels(**{level.value: levels[level] for level in WatchLevel})


stats_blueprint = make_blueprint("stats", __name__, "/api/stats", "stats", "Figures for everybody")


@stats_blueprint.get("", responses={200: PublicStats, **declare_errors()})
def show_stats() -> Response:
    """Show how many detections there were and how many desks are watched, for the landing page."""
    return answer_cached("stats", _read_public_stats)


reliability_blueprint = make_blueprint(
    "reliability", __name__, "/api/reliability", "reliability", "How well we kept our word"
)


@reliability_blueprint.get("", responses={200: Reliability, **declare_errors()})
def show_reliability() -> Response:
    """Show for thirty days how fast alerts were accepted, which failed, outages, and what was given back."""
    return answer_cached(CACHE_KEY, read_reliability)
