"""Bounds of what a page says: lengths, numbers, moments and characters, for all platforms alike.

It ends in tables, logs, terminals and messages. An index takes 2,704 bytes of a row, a text column no NUL, UTF-8 no
lone surrogate, an integer column 31 bits, and a terminal obeys what stands behind an escape.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256

from configs.ground.text import CONTROL, pluralize, truncate_line
from crawler.parsing.dates import day_of
from crawler.reading import CoveredWindow, Outcome, Place, Reading, Release, Slot, VisitContext

LONGEST_KEY, LONGEST_LABEL, LONGEST_REASON, LONGEST_ERROR = 200, 200, 500, 2000  # characters
LONGEST_LINK = 2000  # characters of an address that a person opens: https://support.microsoft.com/kb/208427
LONGEST_ADDRESS = 8000  # characters of an address that is asked: servers refuse longer ones with 414
_MOST_SEATS = 100_000
_MOST_RELEASES = 8  # that a page names: the last and the next one
_YEARS = timedelta(days=3653)  # no site opens slots further ahead
_LAST_WEEK = timedelta(days=6)  # how far the last week of a calendar reaches behind the last watched day
BEYOND = "beyond the `horizon`"  # in the reason of a check that saw such a moment
REFUSED = "what was read cannot be kept"  # the reason of a check that the database refused
_READABLE = 100  # characters of a long key that stand before its hash


def clean_text(text: str, longest: int) -> str:
    """Return a text as one line without control characters and lone surrogates, of so many characters at most."""
    return text if len(text) <= longest and text.isprintable() else truncate_line(text, longest - 1)


def bound_key(key: str) -> str:
    """Return a place's key as it is, or its beginning and its hash where it is too long or holds control characters."""
    if len(key) <= LONGEST_KEY and not CONTROL.search(key):
        return key
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{clean_text(key[:_READABLE], LONGEST_KEY)}#{digest}"


def bound_reading(reading: Reading, visit: VisitContext, asked: CoveredWindow | None = None) -> Reading:
    """Return a reading within all bounds; `asked` is the window of its request.

    A moment beyond the desk's horizon is no slot. An address that cannot be asked leaves its place without an answer:
    the reading is `unreadable`, what else it says stands.
    """
    asks = tuple(
        ask for ask in reading.asks if len(ask.url) <= LONGEST_ADDRESS and not CONTROL.search(ask.url)
    )
    seen = _within_horizon(reading, visit, asked)
    bounded = replace(
        seen,
        asks=asks,
        next_at=None if _is_far(reading.next_at, visit) else reading.next_at,
        releases_at=None if _is_far(reading.releases_at, visit) else reading.releases_at,
        publications=tuple(each for each in reading.publications if _is_sane(each, visit))[:_MOST_RELEASES],
        reason=clean_text(seen.reason, LONGEST_REASON),
        slots=tuple(map(_bound_slot, seen.slots)),
        fallback=tuple(map(_bound_slot, seen.fallback)),
        covered=tuple(map(_bound_window, seen.covered)),
    )
    if len(asks) < len(reading.asks) and bounded.outcome is None:
        return replace(bounded, outcome=Outcome.UNREADABLE, reason="leads to an address that cannot be asked")
    return bounded


def _within_horizon(reading: Reading, visit: VisitContext, asked: CoveredWindow | None) -> Reading:
    """Return a reading without the slots beyond the desk's horizon, which its reason then names.

    Without another slot its page proves no absence: such a moment may be misread. Only the last week of a calendar
    may end behind the horizon, and does so in silence.
    """
    slots = tuple(slot for slot in reading.slots if not _is_beyond(slot, visit))
    fallback = tuple(slot for slot in reading.fallback if not _is_beyond(slot, visit))
    shown = (*reading.slots, *reading.fallback)
    beyond = sorted(slot.moment_text for slot in shown if _is_beyond(slot, visit))
    if not beyond:
        return reading
    left, ends = replace(reading, slots=slots, fallback=fallback), visit.last_day + _LAST_WEEK
    if asked and (asked.last or ends) >= visit.last_day and beyond[-1][:10] <= f"{ends}":
        return replace(left, outcome=Outcome.NO_SLOTS if reading.covered else None) if not slots else left
    said = f"{pluralize(len(beyond), 'moment')} {BEYOND} of {visit.horizon.days} days, the first {beyond[0]}"
    if slots or fallback or reading.outcome not in (None, Outcome.SLOTS, Outcome.NO_SLOTS):
        garbage = any(_is_far(slot.moment, visit) for slot in reading.slots)
        covered = () if garbage else reading.covered
        return replace(left, beyond=said, covered=covered, reason=f"{reading.reason}; {said}")
    return replace(left, outcome=Outcome.UNREADABLE, reason=f"shows {said}", beyond=said, covered=())


def _is_beyond(slot: Slot, visit: VisitContext) -> bool:
    if slot.moment is None:
        return False
    return _is_far(slot.moment, visit) or day_of(slot.moment, visit.zone) > visit.last_day


def _bound_slot(slot: Slot) -> Slot:
    label = slot.place.label
    key, label = bound_key(slot.place.key), label if label is None else clean_text(label, LONGEST_LABEL)
    url = slot.url if slot.url and _may_be_opened(slot.url) else None
    seats = slot.seats if slot.seats is not None and 0 <= slot.seats <= _MOST_SEATS else None
    if (key, label, url, seats) == (slot.place.key, slot.place.label, slot.url, slot.seats):
        return slot  # as almost all: a copy takes as long as all of the above
    return replace(slot, place=Place(key, label), url=url, seats=seats)


def _bound_window(window: CoveredWindow) -> CoveredWindow:
    return window if window.place_key is None else replace(window, place_key=bound_key(window.place_key))


def _is_sane(release: Release, visit: VisitContext) -> bool:
    days = (release.at.date(), release.first, release.last)
    return release.first <= release.last and all(abs(day - visit.today) <= _YEARS for day in days)


def _is_far(moment: datetime | date | None, visit: VisitContext) -> bool:
    day = moment.date() if isinstance(moment, datetime) else moment
    return day is not None and day > visit.today + _YEARS


def _may_be_opened(url: str) -> bool:
    """Whether a person's browser opens an address. The desk's address replaces one that it does not open."""
    return len(url) <= LONGEST_LINK and url.startswith(("http://", "https://")) and not CONTROL.search(url)
