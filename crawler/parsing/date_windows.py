"""Windows of days for calendars: the weeks up to a desk's horizon, covered days, hours linked as unix seconds."""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from crawler.reading import CoveredWindow, Place, Slot, VisitContext

WEEK_DAYS = 7  # the window of a request
_DAY = range(24 * 60)  # minutes
_HOUR = re.compile(r"(\d{1,2}):([0-5]\d)")
YEARS = range(2000, 2200)  # other years are no appointments, and some have no instant in UTC
_LONGEST_NUMBER = 5  # digits
_MOST_DAYS = 400  # of one page


def week(visit: VisitContext, place: Place, ahead: int) -> CoveredWindow:
    """Return the seven local days that begin `ahead` days from today."""
    first = visit.today + timedelta(days=ahead)
    return CoveredWindow(place.key, first, first + timedelta(days=WEEK_DAYS - 1))


def covered_by_answer(
    place: Place, asked: CoveredWindow | None, shown: tuple[date, date] | None
) -> CoveredWindow | None:
    """Return the window that a calendar's answer covers: the period that it shows, else the period asked for.

    None if neither is known, or if they do not overlap: then it is the answer to another request.
    """
    if shown is None:
        return asked
    if asked and asked.first and asked.last and (shown[1] < asked.first or shown[0] > asked.last):
        return None
    return CoveredWindow(place.key, *shown)


def within(window: CoveredWindow, slots: Iterable[Slot], zone: ZoneInfo) -> bool:
    """Tell whether all slots with a known day are within the window, in the desk's zone."""
    days = [day_of(slot.moment, zone) for slot in slots if slot.moment is not None]
    return all((window.first or date.min) <= day <= (window.last or date.max) for day in days)


def day_of(moment: date, zone: tzinfo | None) -> date:
    """Return the local date of an instant, or the date itself."""
    return moment.astimezone(zone).date() if isinstance(moment, datetime) else moment


def local_iso(moment: date | None, zone: tzinfo) -> str | None:
    """Return a moment in ISO 8601 with the zone's offset, a date alone where no hour is known, None for `open`."""
    if isinstance(moment, datetime):
        return moment.astimezone(zone).isoformat()
    return moment.isoformat() if moment else None


def local_text(moment: date, zone: tzinfo) -> str:
    """Return a moment for people in the zone: `2026-11-23 09:30`, or the date."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" if isinstance(moment, datetime) else moment.isoformat()


@lru_cache(maxsize=20_000)  # many places have the same hours
def instant_of(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """Return a naive wall clock of a zone in UTC: the earlier if it occurs twice, None if a clock change skips it."""
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == wall else None


def day_in_figures(text: Any) -> date | None:
    """Return the date of `23/11/2026` or `2026-11-23`; None for anything else."""
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        with suppress(TypeError, ValueError):
            return datetime.strptime(text, form).date()  # noqa: DTZ007 -- a day alone
    return None


def days_from(place: Place, first: Any, days: Any) -> CoveredWindow | None:
    """Return the window of some days from `23/11/2026` or `2026-11-23` on; None if either value is anything else."""
    day = day_in_figures(first)
    if day is None or not isinstance(days, int) or not 0 < days <= _MOST_DAYS:
        return None
    return CoveredWindow(place.key, day, day + timedelta(days=days - 1))


def moment_in_figures(day: Any, hour: Any, zone: ZoneInfo) -> date | None:
    """Return the instant (UTC) of `23/11/2026` or `2026-11-23` and a local hour: `HH:MM`, or minutes after midnight.

    Without a readable hour, or with one that a clock change skips, it is the date; without a readable day, None.
    """
    date_of, found = day_in_figures(day), _HOUR.fullmatch(hour) if isinstance(hour, str) else None
    minutes = 60 * int(found[1]) + int(found[2]) if found else hour
    if isinstance(minutes, str) and minutes.isascii() and minutes.isdecimal():
        minutes = int(minutes[:_LONGEST_NUMBER])
    if date_of is None or isinstance(minutes, bool) or not isinstance(minutes, int) or minutes not in _DAY:
        return date_of
    return instant_of(datetime.combine(date_of, time(*divmod(minutes, 60))), zone) or date_of


def days_of(window: CoveredWindow) -> int:
    """Return the number of days of a window; 0 without both ends."""
    return (window.last - window.first).days + 1 if window.first and window.last else 0


def utc_ends(window: CoveredWindow, zone: ZoneInfo) -> tuple[str, str]:
    """Return a window's first midnight and the midnight after its last day, as `2026-11-19T23:00:00.000Z`."""
    first, last = window.first or date.min, window.last or window.first or date.min
    midnights = (datetime.combine(day, time.min, zone) for day in (first, last + timedelta(days=1)))
    begin, end = (f"{each.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z" for each in midnights)
    return begin, end
