"""The calendar of known releases: a list by day, and a feed per prefecture and procedure."""

from datetime import date
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, render_template, request, url_for
from pydantic import ValidationError

from api.ground.errors import not_found
from api.pages.area import Access, Area
from api.pages.choices import PROCEDURE_NAMES, find_procedure, list_place_options, write_slug
from api.prefectures.release_calendar import (
    CALENDAR_TYPE,
    CalendarQuery,
    ReleaseCalendar,
    ReleaseEntry,
    build_calendar_key,
    build_feed_key,
    read_calendar,
    read_feed,
)
from api.web.languages import read_language
from api.web.public_answers import answer_cached_bytes, read_cached
from configs.world.desk import Procedure
from configs.world.prefecture import prefectures

_PER_PAGE = 50  # releases
_HOME_ZONE = "Europe/Paris"
area = Area("calendar", __name__)


def _build_view(query: CalendarQuery, page: str) -> dict[str, Any]:
    """Return a page of the list by its number; the nearest one where it does not exist."""
    found = _read_calendar(query).items
    items = sorted(found, key=lambda each: (get_local_day(each), each.begins_at, each.desk_id))
    last = max(1, -(-len(items) // _PER_PAGE))
    number = min(max(int(page), 1), last) if page.isascii() and page.isdigit() and len(page) < 6 else 1  # noqa: PLR2004
    shown = items[(number - 1) * _PER_PAGE : number * _PER_PAGE]
    return {
        "total": len(items),  # releases, on all pages
        "days": [(day, list(each)) for day, each in groupby(shown, get_local_day)],  # in order of time
        # Where one prefecture and one procedure are chosen
        "feed_url": build_feed_url(query.prefecture, query.procedure),
        "previous": _build_page_url(query, number - 1) if number > 1 else None,
        "next": _build_page_url(query, number + 1) if number < last else None,
    }


def get_local_day(entry: ReleaseEntry) -> date:
    return entry.begins_at.astimezone(ZoneInfo(entry.time_zone)).date()


def is_far(entry: ReleaseEntry) -> bool:
    """Return whether the clock at a prefecture is another one than in Paris."""
    return entry.time_zone != _HOME_ZONE


def build_feed_url(prefecture: str | None, procedure: Procedure | None) -> str | None:
    """Return the address of a feed; it names the language, because calendar programs ask for none."""
    if not (prefecture and procedure):
        return None
    names: dict[str, Any] = {"prefecture": prefecture, "procedure": write_slug(procedure)}
    return url_for("calendar.send_feed", **names, lang=read_language())


def _build_page_url(query: CalendarQuery, number: int) -> str:
    return url_for(
        "calendar.show_calendar", prefecture=query.prefecture, procedure=query.procedure, page=number
    )


@area.page("/calendrier", Access.PUBLIC)
def show_calendar() -> tuple[str, int]:
    """List the releases of the next weeks; 404 with the form for a department or procedure that does not exist."""
    query = _read_query()
    view = _build_view(query, request.args.get("page", "")) if query else None
    page = render_template(
        "calendar/calendar.html",
        view=view,
        query=query,
        places=list_place_options(),
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
    language = read_language()
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
