"""Dates and hours in French text: `lundi 23 novembre à 9h30`, `23/11/26 09:30`, `2026-11-23T09:30`.

A text with two days, or with two hours that are no span, names no moment: it is ambiguous.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crawler.parsing.date_windows import instant_of
from crawler.parsing.html_text import collapse_whitespace
from crawler.reading import VisitContext

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier janv jan january", "février fevrier févr fevr fév fev february feb", "mars march",
            "avril avr april apr", "mai may", "juin june jun", "juillet juil july jul", "août aout august aug",
            "septembre sept september sep", "octobre oct october", "novembre nov november",
            "décembre decembre déc dec december",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_WEEKDAYS = ("lun", "mar", "mer", "jeu", "ven", "sam", "dim")
MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))  # the names of months
_WEEKDAY = rf"(?:\b(?P<weekday>{'|'.join(_WEEKDAYS)})[a-z]*\.?,?\s+)?"
_SHORT = r"\d\d(?=,?\s+(?:à\s+|de\s+)?\d{1,2}\s?[h:])"  # a year before an hour: `23 nov. 26 9h30`
_DAY = re.compile(
    rf"(?=(?<![\d/.:-])\d|\b(?:{'|'.join(_WEEKDAYS)}))"  # a cheap test first: most of a page begins no day
    rf"(?:(?<![\d/.:-])(?P<iso>\d{{4}}(?P<bar>[-/])\d\d(?P=bar)\d\d)(?!\d)"
    rf"|{_WEEKDAY}(?<![\d/.:-])(?P<day>\d{{1,2}}+)(?:er)?"
    rf"(?:\s?(?P<cut>[/.-])\s?(?P<month>\d{{1,2}})\s?(?P=cut)\s?(?P<year>\d{{4}})(?!\d)"
    rf"|(?P<mark>[/.])(?P<number>\d{{1,2}})(?P=mark)(?P<late>\d\d)(?!\d|[/.]\d)|/(?P<alone>\d{{1,2}})(?![\d/.])"
    rf"|\s+(?P<word>{MONTH})\b\.?(?:\s+(?P<its>\d{{4}}(?!\d)|{_SHORT}))?))"
)
_CLOCK = (
    r"(?<![\d:])(\d{1,2}) ?(?:(?:h|heures?)\b ?([0-5]\d)?|h([0-5]\d)|:([0-5]\d)(?::[0-5]\d)?)(?![\d:])"
    r"(?: ?([ap])\.?m\b)?"
)
_HOUR = re.compile(rf"{_CLOCK}(?:\s*(?:-|\u2013|à)\s*{_CLOCK})?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")
_MACHINE = re.compile(
    r"(?P<wall>20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?P<offset>|Z| UTC|(?: ?[+-]| )\d\d:?\d\d)"
)
_PIECE = re.compile(r"\d ?(?:h|:|/|et\b|au\b)")  # of an incomplete hour or day, or of several
_BETWEEN = re.compile(r"[\s,:t-]*(?:[^\s\d]{1,8}\s+)?")  # `à`, also after a wrong charset
_LEADS = r"[\s:]*(?:le\s+)?"  # between an announcement and its moment
_LONGEST = 2000  # characters of a text that names one moment
_NOON = 12
_CENTURY = 2000
_LEAP_YEAR = 2000
_LEAP_YEARS_APART = 8  # at most: 1896 and 1904
_LATELY = timedelta(days=183)  # a day without a year that lies nearer behind than ahead has passed


def moment_of(day: str, hour: str | None, today: date, zone: ZoneInfo) -> date | None:
    """Return the instant (UTC) that a text names, or its date if it has no hour; None if it names none.

    `hour` is a separate text with the hour, which it then must contain. A date without a year is the one of the last
    half year, else the next one. A text of more than 2,000 characters names none.
    """
    if len(day) + len(hour or "") > _LONGEST:
        return None
    if hour is None and _INSTANT.fullmatch(collapse_whitespace(day)):
        return _instant(collapse_whitespace(day))
    lowered = collapse_whitespace(day).lower()
    rest = _DAY.sub(" ", lowered) if hour is None else collapse_whitespace(hour).lower()
    days, hours = (
        {_day(each, today) for each in _DAY.finditer(lowered)},
        set(map(_hour, _HOUR.finditer(rest))),
    )
    if (
        len(days) != 1
        or len(hours) > 1
        or (hour is not None and not hours)
        or _PIECE.search(_HOUR.sub(" ", rest))
    ):
        return None
    found = days.pop()
    if found is None or not hours:
        return found
    clock = hours.pop()
    return instant_of(datetime.combine(found, clock), zone) if clock is not None else None


def machine_moment(text: str, zone: ZoneInfo) -> datetime | None:
    """Return the instant (UTC) that a program wrote into an address; None for any other text.

    The text is ISO 8601, or Ruby on Rails' format (`2026-11-23 09:30:00 +0100`), also with an unescaped `+` that
    became a space. Without an offset it is a wall clock of the zone.
    """
    found = _MACHINE.fullmatch(text.strip())
    if found is None:
        return None
    wall, offset = found["wall"], found["offset"].strip()
    if offset[:1].isdigit():
        offset = f"+{offset}"
    try:
        if offset:
            return _instant(wall + offset.replace("UTC", "Z"))
        return instant_of(datetime.fromisoformat(wall), zone)
    except (ValueError, OverflowError):
        return None


def moments_in(text: str, today: date, zone: ZoneInfo) -> Iterator[date]:
    """Yield the moments of a text in their order: an instant (UTC) if an hour follows a day directly, else the date.

    An hour that a clock change skips is read as if the clock had not changed.
    """
    lowered = collapse_whitespace(text).lower()
    return (
        moment for match in _DAY.finditer(lowered) if (moment := _read_moment(match, lowered, today, zone))
    )


def parse_state_moment(value: Any, visit: VisitContext) -> date | None:
    """Return the moment of a value in a page's state; None if it is no text, or a text without one."""
    return moment_of(value, None, visit.today, visit.zone) if isinstance(value, str) else None


def moments_behind(words: str, text: str, visit: VisitContext) -> list[date | None]:
    """Return the moment directly after each occurrence of some words, read as in `moments_in`.

    An occurrence without a readable moment gives None: `Prochaine disponibilité le …` still announces one.
    """
    lowered = collapse_whitespace(text).lower()
    begins = (found.end() for found in re.finditer(rf"{re.escape(words.lower())}{_LEADS}", lowered))
    days = (_DAY.match(lowered, begin) for begin in begins)
    return [_read_moment(day, lowered, visit.today, visit.zone) if day else None for day in days]


def _read_moment(match: re.Match[str], lowered: str, today: date, zone: ZoneInfo) -> date | None:
    behind = _BETWEEN.match(lowered, match.end())
    hour = _HOUR.match(lowered, behind.end() if behind else match.end())
    day, clock = _day(match, today), _hour(hour) if hour else None
    return datetime.combine(day, clock, zone).astimezone(UTC) if day and clock is not None else day


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(match: re.Match[str], today: date) -> date | None:
    named = match.groupdict()
    try:
        if named["iso"]:
            return date.fromisoformat(named["iso"].replace("/", "-"))
        numbered = named["month"] or named["number"] or named["alone"]
        month = _MONTHS[named["word"]] if named["word"] else int(numbered)
        year = named["year"] or named["late"] or named["its"]
        if year is None:
            found = _nearest(int(named["day"]), month, today)
        else:
            found = date(int(year) + (_CENTURY if len(year) == 2 else 0), month, int(named["day"]))  # noqa: PLR2004
    except ValueError:
        return None
    said = named["weekday"]
    return found if said is None or _WEEKDAYS[found.weekday()] == said else None


def _nearest(day: int, month: int, today: date) -> date:
    """Return the date without a year that a page means today: one of the last months, else the next one.

    29 February is tried in all years up to the next leap year; a day that no year has raises ValueError.
    """
    if day > monthrange(_LEAP_YEAR, month)[1]:
        raise ValueError(f"no year has day {day} in month {month}")
    years = range(today.year - 1, today.year + _LEAP_YEARS_APART + 1)
    dates = [date(year, month, day) for year in years if day <= monthrange(year, month)[1]]
    return next(found for found in dates if found > today - _LATELY)


def _hour(match: re.Match[str]) -> time | None:
    hour, half = int(match[1]), match[5]
    if half:
        hour = hour % _NOON + (_NOON if half == "p" else 0) if 0 < hour <= _NOON else 24
    try:
        return time(hour, int(match[2] or match[3] or match[4] or 0))
    except ValueError:
        return None
