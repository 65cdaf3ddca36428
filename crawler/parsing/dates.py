"""Days and hours of calendars: French texts, weeks up to a desk's horizon, covered days, hours in figures.

Texts are `lundi 23 novembre à 9h30`, `23/11/26 09:30`, `2026-11-23T09:30`. One with two days, or with two hours that
are no span, names no moment: it is ambiguous.
"""

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from lxml.html import HtmlElement

from crawler.parsing.html_text import raw_lines
from crawler.parsing.moment_grammar import (
    MONTHS,
    WEEKDAYS,
    Doubt,
    Mention,
    find_days,
    find_hour_behind,
    fold_days,
    mask_days,
    match_day,
    read_hour,
    read_mentions,
    shares_month,
)
from crawler.parsing.normal_form import collapse_whitespace
from crawler.reading import CoveredWindow, Page, Place, Slot, VisitContext

WEEK_LENGTH = 7  # the window of a request
_MINUTES = range(24 * 60)  # of a day
_HOUR_IN_FIGURES = re.compile(r"(\d{1,2}):([0-5]\d)")
YEARS = range(2000, 2200)  # other years are no appointments, and some have no instant in UTC
_LONGEST_NUMBER = 5  # digits
_MOST_DAYS = 400  # of one page

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")
_MACHINE = re.compile(
    r"(?P<wall>20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<offset>|Z| UTC|(?: ?[+-]| )\d\d:?\d\d)"
)
_LEADS = r"[\s:]*(?:le\s+)?"  # between an announcement and its moment
_LONGEST_TEXT = 2000  # characters of a text that names one moment
_CENTURY = 2000
_LEAP_YEARS_APART = 8  # at most: 1896 and 1904
# A day without a year that lies nearer behind than ahead has passed.
_LATELY, _LAST_MONTH, _YEAR = timedelta(days=183), timedelta(days=31), timedelta(days=365)
_MOST_MOMENTS = 10_000  # moments of a page


def week(visit: VisitContext, place: Place, ahead: int) -> CoveredWindow:
    """Return the seven local days that begin `ahead` days from today."""
    first = visit.today + timedelta(days=ahead)
    return CoveredWindow(place.key, first, first + timedelta(days=WEEK_LENGTH - 1))


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
    date_of, found = day_in_figures(day), _HOUR_IN_FIGURES.fullmatch(hour) if isinstance(hour, str) else None
    minutes = 60 * int(found[1]) + int(found[2]) if found else hour
    if isinstance(minutes, str) and minutes.isascii() and minutes.isdecimal():
        minutes = int(minutes[:_LONGEST_NUMBER])
    if (
        date_of is None
        or isinstance(minutes, bool)
        or not isinstance(minutes, int)
        or minutes not in _MINUTES
    ):
        return date_of
    return instant_of(datetime.combine(date_of, time(*divmod(minutes, 60))), zone) or date_of


def count_days(window: CoveredWindow) -> int:
    """Return the number of days of a window; 0 without both ends."""
    return (window.last - window.first).days + 1 if window.first and window.last else 0


def utc_ends(window: CoveredWindow, zone: ZoneInfo) -> tuple[str, str]:
    """Return a window's first midnight and the midnight after its last day, as `2026-11-19T23:00:00.000Z`."""
    first, last = window.first or date.min, window.last or window.first or date.min
    midnights = (datetime.combine(day, time.min, zone) for day in (first, last + timedelta(days=1)))
    begin, end = (f"{each.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z" for each in midnights)
    return begin, end


def moment_of(day: str, hour: str | None, visit: VisitContext) -> date | None:
    """Return the instant (UTC) that a text names, or its date if it tells no hour for sure; None if it names none.

    `hour` is a separate text with the hour, which it then must contain. A date without a year may be one of the last
    months (`_meant_days`). A text of more than 2,000 characters names none.
    """
    if len(day) + len(hour or "") > _LONGEST_TEXT:
        return None
    if hour is None and _INSTANT.fullmatch(collapse_whitespace(day)):
        return _parse_iso(collapse_whitespace(day), visit.zone)
    lowered = fold_days(day)
    named = list(find_days(lowered))
    days = {_day(each, visit) for each in named}
    if len(days) != 1 or any(shares_month(lowered, each) for each in named):
        return None
    found, clock = days.pop(), read_hour(mask_days(lowered if hour is None else fold_days(hour)))
    if found is None or clock is Doubt.SEVERAL or (clock is None and hour is not None):
        return None
    if hour is None and all(each.hour is None for each in read_mentions(lowered)):
        return found  # its hour stands apart
    return instant_of(datetime.combine(found, clock), visit.zone) if isinstance(clock, time) else found


def machine_moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the instant (UTC) that a program wrote into an address; None for any other text.

    The text is ISO 8601, or Ruby on Rails' format (`2026-11-23 09:30:00 +0100`), also with an unescaped `+` that
    became a space. Without an offset it is a wall clock of the zone.
    """
    found = _MACHINE.fullmatch(text.strip())
    if found is None:
        return None
    offset = found["offset"].strip().replace("UTC", "Z")
    return _parse_iso(f"{found['wall']}{'+' if offset[:1].isdigit() else ''}{offset}", zone)


def _parse_iso(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else instant_of(found, zone)
    except (ValueError, OverflowError):
        return None


def moments_in(text: str, visit: VisitContext) -> Iterator[date]:
    """Yield the moments of a text in their order: an instant (UTC) if a day has an hour, else the date.

    An hour that a clock change skips is read as if the clock had not changed.
    """
    for named in read_mentions(fold_days(text)):
        if moment := _moment(named, visit):
            yield moment


def moments_behind(words: str, text: str, visit: VisitContext) -> list[date | None]:
    """Return the moment directly after each occurrence of some words, read as in `moments_in`.

    An occurrence without a readable moment gives None: `Prochaine disponibilité le …` still announces one. So does
    `07/1` at the text's end, which may be all that came of `07/12/2026`.
    """
    lowered = fold_days(text)
    begins = (found.end() for found in re.finditer(rf"{re.escape(words.lower())}{_LEADS}", lowered))
    days = (match_day(lowered, begin) for begin in begins)
    return [
        None
        if day is None or (len(day["alone"] or "") == 1 and day.end() == len(lowered))
        else _moment(Mention(day, find_hour_behind(lowered, day)), visit)
        for day in days
    ]


def _moment(named: Mention, visit: VisitContext) -> date | None:
    day, clock = _day(named.day, visit), named.hour and named.hour.at
    return datetime.combine(day, clock, visit.zone).astimezone(UTC) if day and clock is not None else day


def _day(match: re.Match[str], visit: VisitContext) -> date | None:
    named = match.groupdict()
    said = named["weekday"]
    try:
        if named["iso"]:
            return date.fromisoformat(named["iso"].replace("/", "-"))
        numbered = named["month"] or named["number"] or named["alone"]
        month = MONTHS[named["word"]] if named["word"] else int(numbered)
        year = named["year"] or named["late"] or named["its"]
        if year is None:
            meant = _meant_days(int(named["day"]), month, visit)
        else:
            meant = [date(int(year) + (_CENTURY if len(year) == 2 else 0), month, int(named["day"]))]  # noqa: PLR2004
    except ValueError:
        return None
    return next((each for each in meant if said in (None, WEEKDAYS[each.weekday()])), None)


def _meant_days(day: int, month: int, visit: VisitContext) -> list[date]:
    """Return the dates that a day without a year may mean today, the likeliest first; its weekday decides.

    A day of the last months has passed, as far as the desk's horizon does not reach it a year later; the month behind
    today has, whatever the horizon. 29 February is tried in all years up to the next leap year.

    Raises:
        ValueError: no year has that day.
    """
    today = visit.today
    years = range(today.year - 1, today.year + _LEAP_YEARS_APART + 1)
    dates = [date(year, month, day) for year in years if day <= monthrange(year, month)[1]]
    if not dates:
        raise ValueError(f"no year has day {day} in month {month}")
    known = min(_LATELY, max(_LAST_MONTH, _YEAR - visit.horizon))
    ahead = next(each for each in dates if each >= today)
    behind = [each for each in reversed(dates) if today - _LATELY < each < today]
    if behind and behind[0] > today - known:
        return [*behind, ahead] if ahead <= visit.last_day else behind
    return [ahead, *behind]


def has_unmatched_dates(page: Page, slots: Sequence[Slot], aside: Sequence[HtmlElement] = ()) -> bool:
    """Tell whether the page names a future moment within the horizon that is none of these slots: no absence is proven.

    Moments in the parts `aside` do not count. A day without an hour counts only if the slots are days, too. A page
    with more than 10,000 moments counts as one that does.
    """
    visit, timed = page.visit, all(slot.starts_at for slot in slots)
    known = {slot.moment for slot in slots if slot.moment}
    days = {day_of(each, visit.zone) for each in known}
    text = fold_days(raw_lines(page.root, without=aside) if aside else page.raw_lines)
    for number, named in enumerate(read_mentions(text)):
        moment = _moment(named, visit)
        if number >= _MOST_MOMENTS:
            return True
        if moment is None or not visit.today < day_of(moment, visit.zone) <= visit.last_day:
            continue
        told = days if type(moment) is date else known
        if (named.hour or not timed) and moment not in told and day_of(moment, visit.zone) not in known:
            return True
    return False
