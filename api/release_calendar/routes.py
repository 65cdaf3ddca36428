"""Routes of the calendar of known releases: a list, and an iCalendar feed per prefecture and procedure."""

from flask import Response

from api.ground.errors import ensure_found
from api.prefectures.schemas import PrefecturePath
from api.release_calendar.queries import (
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
from api.web.openapi import declare_errors, make_blueprint
from api.web.public_answers import answer_cached, answer_cached_bytes
from configs.world.prefecture import prefectures

_FEED = {"description": "An iCalendar feed", "content": {CALENDAR_TYPE: {"schema": {"type": "string"}}}}

blueprint = make_blueprint(
    "release_calendar", __name__, "/api", "calendar", "When prefectures put slots on line"
)


@blueprint.get("/calendar", responses={200: ReleaseCalendar, **declare_errors(422)})
def show_calendar(query: CalendarQuery) -> Response:
    """List the known release times of slots in the next eight weeks."""
    places = find_places(query)
    return answer_cached(build_calendar_key(query), lambda s: read_calendar(s, places, query.procedure))


@blueprint.get("/prefectures/<id>/calendar.ics", responses={200: _FEED, **declare_errors(404, 422)})
def show_feed(path: PrefecturePath, query: FeedQuery) -> Response:
    """Send the known release times of a prefecture and procedure as an iCalendar feed."""
    place = ensure_found(prefectures().get(path.id), "prefecture: GET /api/prefectures lists them")
    key = build_feed_key(place, query.procedure, query.language)
    return answer_cached_bytes(
        key, lambda s: read_feed(s, place, query.procedure, query.language), CALENDAR_TYPE
    )
