"""The calendar of known releases: a list by day, and a feed per prefecture and procedure."""

from typing import cast

from flask import Response, render_template, request
from pydantic import ValidationError

from api.errors import not_found
from api.middleware.languages import read_language
from api.middleware.public_answers import answer_cached_bytes, read_cached
from api.pages.area import Access, Area
from api.pages.calendar.view_data import CalendarView, build_feed_url, is_far, list_places
from api.pages.procedure_names import PROCEDURE_NAMES
from api.pages.procedures import find_procedure
from api.release_calendar.feed import CALENDAR_TYPE
from api.release_calendar.queries import build_calendar_key, build_feed_key, read_calendar, read_feed
from api.release_calendar.schemas import CalendarQuery, FeedLanguage, ReleaseCalendar
from configs.world.prefecture import prefectures

area = Area("calendar", __name__)


@area.page("/calendrier", Access.PUBLIC)
def show_calendar() -> tuple[str, int]:
    """List the releases of the next weeks; 404 with the form for a department or procedure that does not exist."""
    query = _read_query()
    view = CalendarView.build(query, _read_calendar(query), request.args.get("page", "")) if query else None
    page = render_template(
        "calendar/calendar.html",
        view=view,
        query=query,
        places=list_places(),
        procedures=PROCEDURE_NAMES,
        is_far=is_far,
        build_feed_url=build_feed_url,
    )
    return page, 200 if query else 404


@area.page("/calendrier/<prefecture>/<procedure>.ics", Access.PUBLIC)
def send_feed(prefecture: str, procedure: str) -> Response:
    """Send the same as an iCalendar feed, in the language of its address."""
    place, wish = prefectures().get(prefecture), find_procedure(procedure)
    if place is None or wish is None:
        raise not_found("calendar: /calendrier leads to those that exist")
    language = cast("FeedLanguage", read_language())  # the pages have the same ones
    return answer_cached_bytes(
        build_feed_key(place, wish, language),
        lambda s: read_feed(s, place, wish, language),
        CALENDAR_TYPE,
    )


def _read_query() -> CalendarQuery | None:
    """Return what the form asks for; None where there is no such department or procedure."""
    asked = {name: request.args[name] for name in ("prefecture", "procedure") if request.args.get(name)}
    try:
        query = CalendarQuery.model_validate(asked)
    except ValidationError:
        return None
    return query if query.prefecture is None or query.prefecture in prefectures() else None


def _read_calendar(query: CalendarQuery) -> ReleaseCalendar:
    places = [each for each in prefectures().values() if query.prefecture in (None, each.id)]
    return read_cached(
        ReleaseCalendar, build_calendar_key(query), lambda s: read_calendar(s, places, query.procedure)
    )
