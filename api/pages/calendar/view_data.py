"""What the calendar shows: a page of releases, by the day that it is at the prefecture."""

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Self
from zoneinfo import ZoneInfo

from flask import url_for

from api.middleware.languages import read_language
from api.pages.procedures import write_slug
from api.release_calendar.schemas import CalendarQuery, ReleaseCalendar, ReleaseEntry
from configs.world.prefecture import Prefecture, Procedure, prefectures

_PER_PAGE = 50  # releases
_HOME_ZONE = "Europe/Paris"


@dataclass(frozen=True, slots=True)
class CalendarView:
    """One page of the list."""

    total: int  # releases, on all pages
    days: list[tuple[date, list[ReleaseEntry]]]  # in order of time
    feed_url: str | None  # where one prefecture and one procedure are chosen
    previous: str | None  # address
    next: str | None  # address

    @classmethod
    def build(cls, query: CalendarQuery, found: ReleaseCalendar, page: str) -> Self:
        """Return a page by its number; the nearest one where it does not exist."""
        items = sorted(found.items, key=lambda each: (get_local_day(each), each.begins_at, each.desk_id))
        last = max(1, -(-len(items) // _PER_PAGE))
        number = min(max(int(page), 1), last) if page.isascii() and page.isdigit() and len(page) < 6 else 1  # noqa: PLR2004
        shown = items[(number - 1) * _PER_PAGE : number * _PER_PAGE]
        return cls(
            total=len(items),
            days=[(day, list(each)) for day, each in groupby(shown, get_local_day)],
            feed_url=build_feed_url(query.prefecture, query.procedure),
            previous=_build_page_url(query, number - 1) if number > 1 else None,
            next=_build_page_url(query, number + 1) if number < last else None,
        )


def get_local_day(entry: ReleaseEntry) -> date:
    """Return the day of a release at its prefecture."""
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


def list_places() -> list[Prefecture]:
    """Return the prefectures in the order of their departments."""
    return sorted(prefectures().values(), key=lambda each: each.department.zfill(3))


def _build_page_url(query: CalendarQuery, number: int) -> str:
    return url_for(
        "calendar.show_calendar", prefecture=query.prefecture, procedure=query.procedure, page=number
    )
