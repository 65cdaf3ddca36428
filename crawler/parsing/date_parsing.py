"""Dates and hours in French text: `lundi 23 novembre à 9h30`, `23/11/26 09:30`, `2026-11-23T09:30`.

A text with two days, or with two hours that are no span, names no moment: it is ambiguous.
"""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from lxml.html import HtmlElement

from crawler.parsing.date_windows import day_of, instant_of
from crawler.parsing.html_text import collapse_whitespace, raw_text
from crawler.reading import Page, Slot, VisitContext

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
MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_WEEKDAY = rf"(?:\b(?P<weekday>{'|'.join(_WEEKDAYS)})[a-z]*\.?,?\s+)?"
_SHORT = r"\d\d(?=,?\s+(?:à\s+|de\s+)?\d{1,2}\s?[h:])"  # a year before an hour: `23 nov. 26 9h30`
_DAY = re.compile(
    rf"(?:(?<![\d/.:-])(?P<iso>\d{{4}}(?P<bar>[-/])\d\d(?P=bar)\d\d)(?!\d)"
    rf"|{_WEEKDAY}(?<![\d/.:-])(?P<day>\d{{1,2}}+)(?:(?: ?er|st|nd|rd|th|o)\b(?: of\b)?)?"
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
_LEAP_YEARS_APART = 8  # at most: 1896 and 1904
# A day without a year that lies nearer behind than ahead has passed.
_LATELY, _LAST_MONTH, _YEAR = timedelta(days=183), timedelta(days=31), timedelta(days=365)
_ENGLISH = tuple(
    "january february march april may june july august september october november december "  # noqa: SIM905
    "jan feb apr jun jul aug sept sep oct nov dec".split()
)
_MONTH_FIRST = re.compile(
    rf"(?<!\d )(?<!\d)\b({'|'.join(_ENGLISH)})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?!\w| ?[:h])(?:,? (\d{{4}})(?!\d))?"
)
_PREMIER = re.compile(rf"\bpremier(?= (?:{MONTH})\b)")


def moment_of(day: str, hour: str | None, visit: VisitContext) -> date | None:
    """Return the instant (UTC) that a text names, or its date if it has no hour; None if it names none.

    `hour` is a separate text with the hour, which it then must contain. A date without a year may be one of the last
    months (`_meant_days`). A text of more than 2,000 characters names none.
    """
    if len(day) + len(hour or "") > _LONGEST:
        return None
    if hour is None and _INSTANT.fullmatch(collapse_whitespace(day)):
        return _parse_iso(collapse_whitespace(day), visit.zone)
    lowered = _fold_days(day)
    rest = _DAY.sub(" ", lowered) if hour is None else collapse_whitespace(hour).lower()
    days = {_day(each, visit) for each in _DAY.finditer(lowered)}
    hours = set(map(_hour, _HOUR.finditer(rest)))
    is_missing = hour is not None and not hours
    if len(days) != 1 or len(hours) > 1 or is_missing or _PIECE.search(_HOUR.sub(" ", rest)):
        return None
    found = days.pop()
    if found is None or not hours:
        return found
    clock = hours.pop()
    return instant_of(datetime.combine(found, clock), visit.zone) if clock is not None else None


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
    """Yield the moments of a text in their order: an instant (UTC) if an hour follows a day directly, else the date.

    An hour that a clock change skips is read as if the clock had not changed.
    """
    lowered = _fold_days(text)
    return (moment for match in _DAY.finditer(lowered) if (moment := _read_moment(match, lowered, visit)))


def moments_behind(words: str, text: str, visit: VisitContext) -> list[date | None]:
    """Return the moment directly after each occurrence of some words, read as in `moments_in`.

    An occurrence without a readable moment gives None: `Prochaine disponibilité le …` still announces one. So does
    `07/1` at the text's end, which may be all that came of `07/12/2026`.
    """
    lowered = _fold_days(text)
    begins = (found.end() for found in re.finditer(rf"{re.escape(words.lower())}{_LEADS}", lowered))
    days = (_DAY.match(lowered, begin) for begin in begins)
    return [
        None
        if day is None or (len(day["alone"] or "") == 1 and day.end() == len(lowered))
        else _read_moment(day, lowered, visit)
        for day in days
    ]


def _fold_days(text: str) -> str:
    """Return a text in lower case, its days in the order and the figures of French: `Dec 1st`, `premier décembre`."""
    lowered = collapse_whitespace(text).lower()
    return _MONTH_FIRST.sub(r"\2 \1 \3", _PREMIER.sub("1er", lowered))


def _read_moment(match: re.Match[str], lowered: str, visit: VisitContext) -> date | None:
    behind = _BETWEEN.match(lowered, match.end())
    hour = _HOUR.match(lowered, behind.end() if behind else match.end())
    day, clock = _day(match, visit), _hour(hour) if hour else None
    return datetime.combine(day, clock, visit.zone).astimezone(UTC) if day and clock is not None else day


def _day(match: re.Match[str], visit: VisitContext) -> date | None:
    named = match.groupdict()
    said = named["weekday"]
    try:
        if named["iso"]:
            return date.fromisoformat(named["iso"].replace("/", "-"))
        numbered = named["month"] or named["number"] or named["alone"]
        month = _MONTHS[named["word"]] if named["word"] else int(numbered)
        year = named["year"] or named["late"] or named["its"]
        if year is None:
            meant = _meant_days(int(named["day"]), month, visit)
        else:
            meant = [date(int(year) + (_CENTURY if len(year) == 2 else 0), month, int(named["day"]))]  # noqa: PLR2004
    except ValueError:
        return None
    return next((each for each in meant if said in (None, _WEEKDAYS[each.weekday()])), None)


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


def _hour(match: re.Match[str]) -> time | None:
    hour, half = int(match[1]), match[5]
    if half:
        hour = hour % _NOON + (_NOON if half == "p" else 0) if 0 < hour <= _NOON else 24
    try:
        return time(hour, int(match[2] or match[3] or match[4] or 0))
    except ValueError:
        return None


_MOST = 10_000  # moments of a page


def has_unmatched_dates(page: Page, slots: Sequence[Slot], aside: Sequence[HtmlElement] = ()) -> bool:
    """Tell whether the page names a future moment within the horizon that is none of these slots: no absence is proven.

    Moments in the parts `aside` do not count. A day without an hour counts only if the slots are days, too. A page
    with more than 10,000 moments counts as one that does.
    """
    visit, timed = page.visit, all(slot.starts_at for slot in slots)
    named = list(islice(moments_in(page.raw, visit), _MOST + 1))
    if len(named) > _MOST:
        return True
    parts = set(aside)
    outer = [each for each in aside if not any(around in parts for around in each.iterancestors())]
    known = Counter(moment for each in outer for moment in moments_in(raw_text(each), visit))
    left = (Counter(named) - known).keys() - {slot.moment for slot in slots}
    return any(
        visit.today < day_of(each, visit.zone) <= visit.last_day
        for each in left
        if isinstance(each, datetime) or not timed
    )
