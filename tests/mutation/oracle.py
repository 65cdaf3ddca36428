"""Oracle of the mutation tests: the claims that a broken page permits, decided without the readers' code.

It compares the expectations of the whole page with the raw text of the broken one (regular expressions, no parser).

A check's **claims** are its slots and, where it ends as `slots` or `no_slots`, what it covered: those alone open and
close slots. A claim is false where

* an hour is claimed that the whole page did not show, or whose address is nowhere in the broken page's text;
* `open` is claimed where the whole page marks no open desk, or the mark is gone from the text;
* more is covered than the whole page answered for (place by place, day by day);
* something is covered although an hour of it that the page showed is not claimed. Only where whole nodes were taken
  out may an hour be gone: then nothing of it may be left, neither its address nor its word in a link;
* all days are covered without the platform's sentence, or beside something that contradicts it: a free hour's
  address, an open desk's mark, an overload;
* anything is claimed by a bot wall, or by an answer with an error's status.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from typing import NamedTuple
from zoneinfo import ZoneInfo

from crawler.block_pages import classify_page
from crawler.parsing.date_windows import day_of
from crawler.platforms import platform
from crawler.reading import CoveredWindow, Page
from crawler.visit_state import VisitState
from tests.mutation.mutants import Mutant


class Claims(NamedTuple):
    """What a check that got this one answer makes known; `asks` are the requests it would make next.

    Of a slot whose hour is not known, `hours` has the date.
    """

    hours: frozenset[date]
    is_open: bool
    covered: tuple[CoveredWindow, ...]
    asks: tuple[tuple[str, str], ...]


class Evidence(NamedTuple):
    """What a page's raw text holds. `hours`: free ones linked where they can be seen; `traces`: anywhere.

    `astray`: a free hour's word inside a link that leads to none; `unlinked`: one in a day's cell.
    """

    hours: frozenset[date]
    traces: frozenset[date]
    days: frozenset[date]
    marks_open: bool = False
    says_full: bool = False
    contradicts: bool = False
    astray: bool = False
    unlinked: bool = False


def claims(name: str, mutant: Mutant) -> Claims:
    """Read a broken page as the crawl would, in a check that can ask nothing more."""
    page = mutant.page
    reading = classify_page(platform(name), page)
    state = VisitState(page.ask, limit=1, now=datetime.combine(page.visit.today, time(9), page.visit.zone))
    state.next()
    state.add_reading(page.ask, reading)
    result = state.result()
    hours = frozenset(in_utc(slot.moment) for slot in result.slots if slot.moment)
    covered = result.covered if result.outcome.conclusive else ()
    timeless = any(slot.moment is None for slot in result.slots)
    return Claims(hours, timeless, covered, tuple((ask.method, ask.url) for ask in reading.asks))


def in_utc(moment: date) -> date:
    """Return an instant in UTC, a date as it is."""
    return moment.astimezone(UTC) if isinstance(moment, datetime) else moment


def lies(mutant: Mutant, said: Claims, evidence: Evidence) -> Iterator[str]:
    """Yield what is false about the claims."""
    if mutant.walled and (said.hours or said.is_open or said.covered):
        yield "a wall or an error claims something"
    if said.covered and not mutant.may_cover:
        yield "covers something, though the answer speaks of trouble"
    whole = mutant.truth.hours | (mutant.truth.hidden if mutant.may_mend else frozenset())
    shown, there = (
        hours | {day_of(hour, mutant.page.visit.zone) for hour in hours}  # the date alone says less
        for hours in (whole, evidence.hours)
    )
    if invented := said.hours - (shown & there):
        yield f"hours that are not there: {sorted(map(str, invented))}"
    if said.is_open and not (mutant.truth.is_open and evidence.marks_open):
        yield "open without the mark of an open desk"
    for window in said.covered:
        yield from _false_cover(window, mutant, said, evidence)
    for method, url in said.asks:
        if re.search(r"/create/\d+/([5-9]|\d\d)", url) or (method == "POST" and re.search(r"/4\b", url)):
            yield f"would take a slot: {method} {url}"


def _false_cover(window: CoveredWindow, mutant: Mutant, said: Claims, evidence: Evidence) -> Iterator[str]:
    allowed = mutant.truth.covered + (mutant.truth.mended if mutant.may_mend else ())
    if not any(_within(window, whole) for whole in allowed):
        yield f"covers more than the page answered for: {window}"
    missing = {
        hour for hour in mutant.truth.hours | evidence.traces if _in(hour, window, mutant)
    } - said.hours
    left = missing & evidence.traces if mutant.may_erase else missing
    if left:
        yield f"covers {window} without {sorted(map(str, left))}"
    if window.first and (evidence.astray or (evidence.unlinked and not mutant.may_erase)):
        yield f"covers {window} with a free hour's word astray"
    if window.first and window.last and not {window.first, window.last} <= evidence.days:
        yield f"covers {window}, which it does not name"
    if window.first is None and (evidence.contradicts or not evidence.says_full):
        yield "covers every day without the sentence, or against something else"


def _within(part: CoveredWindow, whole: CoveredWindow) -> bool:
    return (
        whole.place_key in (None, part.place_key)
        and (whole.first or date.min) <= (part.first or date.min)
        and (part.last or date.max) <= (whole.last or date.max)
    )


def _in(hour: date, window: CoveredWindow, mutant: Mutant) -> bool:
    day = day_of(hour, mutant.page.visit.zone)
    return (window.first or date.min) <= day <= min(window.last or date.max, mutant.page.visit.last_day)


_HIDDEN = re.compile(r"(?is)<!--.*?-->|<(script|style|template|textarea|title|details)\b.*?</\1>")
_CONCEALING = (
    r"(?is)<(\w+)\b[^>]*?(?:\shidden(?=[\s=>])|\sstyle=\"[^\">]*(?:display: ?none|visibility: ?hidden))[^>]*>"
)
_CONCEALED = re.compile(rf"{_CONCEALING}(?:.*?</\1\s*>|[^<]*)")
_CONCEALED_ALONE = re.compile(  # whose own end stands before another of its kind begins
    rf"{_CONCEALING}(?:(?:(?!<\1\b).)*?</\1\s*>|[^<]*)"
)
_CONCEALED_TO_THE_END = re.compile(rf"{_CONCEALING}.*?(?:</\1\s*>|\Z)")  # where its own end is lost
# A list that the page's end cuts off
_LIST_CUT_OFF = re.compile(rf"{_CONCEALING.replace('w+', 'w+(?<=<ul)')}(?:(?!</?ul\b).)*\Z")
# A cell that begins in a hidden part of another ends both: https://html.spec.whatwg.org/#parsing-main-intd
_ENDED_BY_A_CELL = re.compile(r"(?is)<span\b[^>]*\shidden\b[^>]*>(?:(?!</span|<table\b).)*?(?=<t[dhr]\b)")
_ENDED_BY_A_BLOCK = re.compile(
    rf"{_CONCEALING.replace('w+', 'w+(?<=<p)')}(?:(?!</p).)*?(?=<(?:table|div|form|ul|p|h\d)\b)"
)
_WITHOUT_SCRIPTS = re.compile(r"(?is)<noscript\b.*?</noscript>")
_HOUR = re.compile(r"booking/create/9845/5/(\d{9,10})(?!\d)")


def ezbooking(text: str, _page: Page) -> Evidence:
    """Look for EZBooking's marks in a text."""
    ended = _ENDED_BY_A_BLOCK.sub(" ", _ENDED_BY_A_CELL.sub(" ", _HIDDEN.sub(" ", text)))
    shown = _CONCEALED.sub(" ", ended)
    scripted = _WITHOUT_SCRIPTS.sub(" ", shown)
    words = " ".join(re.sub(r"<[^>]*>", " ", shown).replace("\u2019", "'").split())
    hours, traces = (
        frozenset(datetime.fromtimestamp(int(each), UTC) for each in _HOUR.findall(where))
        for where in (shown, text)
    )
    return Evidence(
        hours,
        traces,
        frozenset(date(int(y), int(m), int(d)) for d, m, y in re.findall(r"(\d\d)/(\d\d)/(\d{4})", shown)),
        marks_open=bool(re.search(r"etape_[34]r\.png", shown)),
        says_full=bool(re.search(r"(?i)plus de plage horaire libre|pas (de )?calendrier disponible", words)),
        contradicts=bool(
            traces
            or re.search(r"(?i)<h1[^>]*>\s*(service surchargé|50[234] )", shown)
            or "désactivé définitivement" in words
        ),
        astray=bool(re.search(r"(?i)<a\b(?![^>]*create/9845/5/\d)[^>]*>\s*libre\s*<", scripted)),
        unlinked=bool(re.search(r"(?i)<td\b[^>]*>\s*libre\s*<", scripted)),
    )


_CLOCK = re.compile(r'"datetime": *"(\d{4}-\d\d-\d\dT\d\d:\d\d)(?::\d\d)?(?:Z|\+00:00)?"')


def ants(text: str, page: Page) -> Evidence:
    """Look for ANTS's hours in a text, and for how its search ended."""
    hours = frozenset(
        datetime.fromisoformat(each).replace(tzinfo=page.visit.zone).astimezone(UTC)
        for each in _CLOCK.findall(text)
        if not each.startswith("2026-02-31")
    )
    whole, last = text.strip(), (text.strip().splitlines() or [""])[-1]
    ended = "end_of_search" in last and re.search(r'"editors_number": *[1-9]', last)
    return Evidence(
        hours,
        hours,
        frozenset(),
        says_full=bool(
            ended if "end_of_search" in text or "Streaming" in page.url else whole[:1] + whole[-1:] == "[]"
        ),
        contradicts=text.count("end_of_search") > 1
        or bool(re.search(r'"editor_errors_number":(?! *0\b)|"li_status"', text)),
    )


_ROW = re.compile(r'\{[^{}]*"trhId"[^{}]*\}')
_ROW_DAY = re.compile(r'"dateLocale": *"(\d\d)/(\d\d)/(\d{4})"')
_ROW_HOUR = re.compile(r'"minutesDebut": *(?:"(\d\d):(\d\d)"|"?(\d+))')
_YEARS = frozenset(map(date.fromordinal, range(date(2026, 1, 1).toordinal(), date(2028, 1, 1).toordinal())))
_UNSEEN = re.compile(r"(?is)<!--.*?-->|<(style|template|textarea|noscript)\b.*?</\1>")


def rdvpref(text: str, page: Page) -> Evidence:
    """Find rdvpref's rows in a script's text. Their days and window come from the whole page."""
    zone, shown = page.visit.zone, _UNSEEN.sub(" ", text)
    hours, traces = (
        frozenset(filter(None, (_of_row(row, zone) for row in _ROW.findall(each)))) for each in (shown, text)
    )
    marks_open = 'id="trhId_' in shown and 'name="trhId"' in shown
    days = frozenset(date(int(y), int(m), int(d)) for d, m, y in re.findall(r"(\d\d)/(\d\d)/(\d{4})", shown))
    days |= frozenset(map(date.fromisoformat, re.findall(r"\b(20\d\d-\d\d-\d\d)\b", shown)))
    written = frozenset(filter(None, (_written(each, page) for each in _WRITTEN.finditer(_words(shown)))))
    days |= {day_of(each, zone) for each in written}
    return Evidence(hours | days, traces, _YEARS, marks_open, contradicts=bool(traces))


def _of_row(row: str, zone: ZoneInfo) -> datetime | None:
    day, hour = _ROW_DAY.search(row), _ROW_HOUR.search(row)
    if not day or not hour:
        return None
    minutes = int(hour[3]) if hour[3] else 60 * int(hour[1]) + int(hour[2])
    midnight = datetime(int(day[3]), int(day[2]), int(day[1]), tzinfo=zone)
    return midnight.replace(hour=minutes // 60, minute=minutes % 60).astimezone(UTC)


_STARTS = {
    "citopia": r'"start_at": *"([^"]+)"(?:(?!"start_at")[\s\S])*?"is_visible": *true',
    "doctolib": r'(?:"(?:start_date|start_time|next_slot)": *|[\[,]\s*)"(\d{4}-[^"]+)"',
    "keldoc": r'"(?:start_time|date)": *"([^"]+)"',
    "maiia": r'"(?:startDateTime|firstPhysicalStartDateTime)": *"([^"]+)"',
    "synbird": r'"start_date": *"([^"]+)"',
}
_BY_PHONE = ("text", "num", "num_text", "phone_number")
_BEGIN = re.compile(r'"(?i:date|day|start\w*|begin\w*)": *"([^"]+)"')


def listing(name: str) -> Callable[[str, Page], Evidence]:
    """Return how to look for a JSON calendar's moments; what it covers is the days it was asked for."""

    def evidence(text: str, page: Page) -> Evidence:
        found = frozenset(each for each in _starts(name, text, page.visit.zone) if each)
        listed = re.search(r'"availabilities":(?! *null\b)', text)
        by_phone = all(f'"{key}": "' in text for key in _BY_PHONE) and not listed
        return Evidence(
            found,
            found,
            _YEARS,
            marks_open=False,
            says_full=by_phone,
            contradicts=bool(found),
            astray=False,
            unlinked=False,
        )

    return evidence


def _starts(name: str, text: str, zone: ZoneInfo) -> Iterator[date | None]:
    yield from (_moment(each, zone) for each in re.findall(_STARTS[name], text))


def _moment(text: str, zone: ZoneInfo) -> date | None:
    """Return an instant in UTC, of the zone's clock where no offset is written; None where that hour never comes."""
    try:
        found = datetime.fromisoformat(text) if ":" in text else None
        if found is None:
            return date.fromisoformat(text)
    except ValueError:
        return None
    instant = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    return instant if found.tzinfo or instant.astimezone(zone).replace(tzinfo=None) == found else None


def orion(text: str, page: Page) -> Evidence:
    """Look for what Orion's days may call a moment, in texts of one meaning, and for any day that is listed at all."""
    zone = page.visit.zone
    instants, dates = set(), set()
    for said in _BEGIN.findall(text):
        found = _moment(said, zone)
        if isinstance(found, datetime) and f"{found.astimezone(zone):%z}" == said[19:].replace(":", ""):
            instants.add(found)
        elif found:
            dates.add(date.fromisoformat(said[:10]))
    timed = {day_of(each, zone) for each in instants}
    return Evidence(
        frozenset(instants | dates | timed),
        frozenset(instants | (dates - timed)),
        _YEARS,
        marks_open=bool(re.search(r'"daySlots": *\[(?!\s*\])[\s\S]*?\{\s*"', text)),
    )


_FRENCH = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
_WEEKDAYS = ("lun", "mar", "mer", "jeu", "ven", "sam", "dim")
_WRITTEN = re.compile(
    rf"(?:\b(lun|mar|mer|jeu|ven|sam|dim)[a-z]*\.? )?(\d{{1,2}})(?:/(?=\d)| (?=[a-zéû]))(\d\d|{'|'.join(_FRENCH)}|(?:janv|févr|avr|juil|sept|oct|nov|déc)(?![a-zéû])\.?)(?:[/ ](\d{{4}}))?(?:(?: à| de)? (\d{{1,2}})[h:](\d\d)?(?!\d))?"
)


def selectors(text: str, page: Page) -> Evidence:
    """Look for moments in the words of a page of free slots, wherever they stand but in its announcement."""
    there = _WITHOUT_SCRIPTS.sub(" ", _HIDDEN.sub(" ", text))
    shown = _CONCEALED_ALONE.sub(" ", _LIST_CUT_OFF.sub(" ", there))
    words = _words(re.sub(r'(?is)<p class="annonce">.*?(?:</p|\Z)', " ", shown))
    found = frozenset(filter(None, (_written(each, page) for each in _WRITTEN.finditer(words))))
    told = _words(shown).replace("\u2011", "-")
    given = page.visit.parameters
    marked = bool(given.no_slot) and 'class="ferme"' in shown  # a mark of its desk, or of none
    full = given.no_slot_text.lower().rstrip(".") in told or marked
    return Evidence(
        found,
        frozenset(each for each in found if isinstance(each, datetime))
        or (found if 'class="libre"' in shown else frozenset()),
        _YEARS,
        marks_open='class="ouvert"' in shown,
        says_full=full or 'class="libre"' in shown,
        contradicts=full and '<li class="libre"><a' in _CONCEALED_TO_THE_END.sub(" ", there),
    )


def _words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", markup)).replace("\u2019", "'").split()).lower()


def _written(found: re.Match[str], page: Page) -> date | None:
    weekday, day, month, year, hour, minute = found.groups()
    months = range(1, 13)
    number = (
        int(month)
        if month.isdecimal()
        else next(each for each in months if _FRENCH[each - 1].startswith(month.rstrip(".")))
    )
    today, moment = page.visit.today, None
    for each in [int(year)] if year else range(today.year, today.year + 5):
        with suppress(ValueError):
            moment = datetime(each, number, int(day), int(hour or 0), int(minute or 0))  # noqa: DTZ001
        if moment and (year or moment.date() >= today - timedelta(days=182)):
            break
    if moment is None or moment.date() < today or (weekday and _WEEKDAYS[moment.weekday()] != weekday):
        return None
    return moment.replace(tzinfo=page.visit.zone).astimezone(UTC) if hour else moment.date()


_AHEAD = re.compile(r"Prochaine disponibilité le (\d\d)/(\d\d)/(\d{4}) (\d\d)h(\d\d)")
_NEXT_WRITTEN = re.compile(r"prochaine disponibilité le (?=(.{0,40}))")
_RAILS = re.compile(
    r"(?:starts_at|[?;&]date)=(\d{4}-\d\d-\d\d)[+T](\d\d)(?:%3A|:)(\d\d)(?:(?:%3A|:)\d\d(?: |\+)?)?(?:(%2B|[+-]|)(\d\d):?(\d\d)|(UTC))?(?=[&\"'])"
)


def rdv_service_public(text: str, page: Page) -> Evidence:
    """Look for the moments that addresses carry, of hours and of next availabilities."""
    shown = _WITHOUT_SCRIPTS.sub(" ", _HIDDEN.sub(" ", text))
    words = " ".join(
        unescape(re.sub(r"<[^>]*>", " ", _CONCEALED.sub(" ", shown))).replace("\u2019", "'").split()
    )
    named = {
        _moment(f"{y}-{m}-{d}T{clock}:{late}", page.visit.zone)
        for d, m, y, clock, late in _AHEAD.findall(words)
    }
    hours, traces = (
        frozenset(filter(None, (_of_rails(each, page.visit.zone) for each in _RAILS.finditer(where))))
        for where in (_CONCEALED.sub(" ", shown), text)
    )
    workshops = "rdv_collectif_id=" in shown
    found = _WRITTEN.finditer(words.lower()) if workshops else ()
    ahead = _NEXT_WRITTEN.finditer(words.lower())
    named |= {_written(each, page) for match in ahead for each in _WRITTEN.finditer(match[1])}
    begin = frozenset(each for match in found if isinstance(each := _written(match, page), datetime))
    return Evidence(
        hours | begin | {each for each in named if each},
        traces,
        _YEARS,
        marks_open=workshops,
        says_full=bool(
            re.search(r"Malheureusement ?, aucun créneau correspondant à votre (?:re|inv)", words)
        ),
        contradicts=bool(traces) or "Prochaine disponibilité" in words,
    )


def _of_rails(found: re.Match[str], zone: ZoneInfo) -> date | None:
    day, hour, minute, sign, hours, minutes, utc = found.groups()
    offset = "+00:00" if utc else f"{'-' if sign == '-' else '+'}{hours}:{minutes}" if hours else ""
    return _moment(f"{day}T{hour}:{minute}:00{offset}", zone)


def esirius(text: str, _page: Page) -> Evidence:
    """Look for what a DWR answer hands to its callback, once and whole, and for the sentence that it says it in."""
    shown = _HIDDEN.sub(" ", text)
    marks_open = bool(re.search(r"foundAvailabilities[:=]true|\[\{", shown))
    nothing = re.search(r"foundAvailabilities[:=]false", shown) and re.search(
        r"Aucun rendez-vous|Tout est complet", shown
    )
    return Evidence(
        frozenset(),
        frozenset(),
        frozenset(),
        marks_open=marks_open,
        says_full=bool(nothing or "'0','0',[])" in shown) and shown.count("andleCallback(") == 1,
        contradicts=marks_open or "Exception" in text,
    )


EVIDENCE: dict[str, Callable[[str, Page], Evidence]] = {
    "ants": ants,
    "esirius": esirius,
    "ezbooking": ezbooking,
    "orion": orion,
    "rdv_service_public": rdv_service_public,
    "rdvpref": rdvpref,
    "selectors": selectors,
    **{name: listing(name) for name in _STARTS},
}
