"""JSON calendars: an answer lists the moments of a window of days, and may name the next availability after it.

docs/reference/visit.md: what such an answer proves.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from w3lib.url import add_or_replace_parameters

from configs.ground.text import pluralize
from crawler.parsing.dates import WEEK_LENGTH, day_of, local_text, within
from crawler.parsing.json_models import ACCEPT, count_moments_in, message_of, reports_failure
from crawler.parsing.no_slot_phrases import says_none, speaks_of_trouble
from crawler.reading import (
    ANYWHERE,
    CoveredWindow,
    Outcome,
    Page,
    PageRequest,
    Place,
    Reading,
    Slot,
    VisitContext,
)

_LATER = "later window"
_LATER_RANK = 1000  # after the first window of every place
_MOST = 10_000  # moments; no calendar lists more
_DAY = timedelta(days=1)

# Builds a platform's request for a window; this module sets its place, rank and step.
WindowRequest = Callable[[VisitContext, CoveredWindow], PageRequest]


@dataclass(frozen=True)
class Listing:
    """The content of one answer of a calendar."""

    moments: Sequence[date | None] = ()  # free; None for each that is unreadable
    next_at: date | None = None  # the next availability that it names
    total: int | None = None  # the number of moments that it claims
    begins: date | None = None  # the first day that it shows, where that may differ from the request
    last: date | None = None  # the last day that it shows
    final: bool = False  # without moments it proves, by the platform's own word, that none come later
    others: int = 0  # moments in it that are no slots (ends of days, for example)
    odd: bool = False  # some other part is unreadable, so it proves no absence


def by_address(
    url: str, first: str, behind: str = "", *, headers: Mapping[str, str] = ACCEPT
) -> WindowRequest:
    """Request windows at an address with their days in its query.

    `first` is the parameter for a window's first day, `behind` for the day after its last.
    """

    def ask(_visit: VisitContext, window: CoveredWindow) -> PageRequest:
        days = {first: f"{window.first}"}
        if behind and window.last:
            days[behind] = f"{window.last + _DAY}"
        return PageRequest(add_or_replace_parameters(url, days), "week", headers=headers)

    return ask


def first_window(
    visit: VisitContext, opens: WindowRequest, place: Place = ANYWHERE, rank: int = 0, days: int = WEEK_LENGTH
) -> PageRequest:
    """Return the request for the window of so many days that begins today."""
    return _ask(opens, visit, _window(visit, place, visit.today, days), place, rank)


def read_listing(page: Page, found: Listing, opens: WindowRequest | None) -> Reading:
    """Return what a listing proves, and the requests for the remaining weeks.

    `opens` is None if the platform has no further requests. A page that was requested without a window answers for
    all watched days.
    """
    answer = _CalendarAnswer(page, found, opens)
    if len(answer.slots) > _MOST:
        return Reading(Outcome.UNREADABLE, f"lists {len(answer.slots)} moments, which no calendar has")
    if answer.slots:
        return answer.read_slots()
    if found.moments or found.total:
        return Reading(Outcome.UNREADABLE, _describe_unread(found))
    if found.next_at is not None:
        return answer.read_next_availability(found.next_at)
    return answer.read_absence()


def read_self_contained_listing(
    page: Page, found: Listing, window: CoveredWindow | None, state: Any, *, said: bool = False
) -> Reading:
    """Return what a page proves that chooses its days itself and has no further requests; `state` is its JSON.

    `window`: its days, if it names them. Without them it covers nothing, unless it is `said` in the page's own words
    that nothing is free. A slot without an hour covers nothing either.
    """
    alone = replace(page, ask=replace(page.ask, window=window), body=json.dumps(state).encode())
    reading = read_listing(alone, found, None)
    timed = all(slot.starts_at for slot in reading.slots) or not found.moments
    known = window or (said and not found.moments)
    return reading if timed and known else replace(reading, covered=())


def read_place_list(page: Page, places: Sequence[tuple[Place, date, WindowRequest | None]]) -> Reading:
    """Return what a list of places with their next availabilities proves: each place is requested from there on.

    For a place without a request (None) the next availability is itself the slot.
    """
    each = [
        read_listing(
            replace(page, ask=PageRequest(page.ask.url, place=place, rank=rank)), Listing(next_at=at), opens
        )
        for rank, (place, at, opens) in enumerate(page.visit.in_turn(places))
    ]
    asks = tuple(ask for reading in each for ask in reading.asks)
    slots = tuple(slot for reading in each for slot in reading.slots)
    return Reading(
        Outcome.SLOTS if slots else None if asks else Outcome.NO_SLOTS,
        f"the next availability of {pluralize(len(places), 'place')}",
        slots,
        covered=tuple(window for reading in each for window in reading.covered),
        asks=asks,
        fallback=tuple(slot for reading in each for slot in reading.fallback),
    )


@dataclass(frozen=True)
class _CalendarAnswer:
    page: Page
    found: Listing
    opens: WindowRequest | None

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(Slot(self.page.ask.place, moment) for moment in self.found.moments if moment)

    @cached_property
    def asked(self) -> CoveredWindow:
        """The requested days, without a window all that are watched. A doubtful one makes what follows doubtful."""
        visit, ask = self.page.visit, self.page.ask
        window = ask.window or CoveredWindow(last=visit.last_day)
        return replace(window, place_key=ask.place.key, first=window.first or visit.today)

    @property
    def first(self) -> date:
        return self.asked.first or self.page.visit.today

    @property
    def astray(self) -> bool:
        """Whether it shows earlier days than requested only."""
        return bool(self.page.ask.window and self.found.last and self.found.last < self.first)

    @property
    def troubled(self) -> bool:
        """Whether the answer reports a failure, in a field or in its message."""
        return reports_failure(self.page) or speaks_of_trouble(message_of(self.page))

    def read_slots(self) -> Reading:
        found, slots, window, visit = self.found, self.slots, self._shown_window(), self.page.visit
        near = [slot for slot in slots if slot.moment and day_of(slot.moment, visit.zone) <= visit.last_day]
        told = found.total in (None, len(slots)) and not self.astray and not found.odd and not self.troubled
        whole = (
            told
            and len(slots) == len(found.moments)
            and within(window if self.page.ask.window else replace(self.asked, last=None), near, visit.zone)
        )
        reason = f"{len(slots)} of {len(found.moments)} moments read"
        return Reading(Outcome.SLOTS, reason, slots, (window,) if whole else (), self._later(window))

    def read_next_availability(self, next_at: date) -> Reading:
        """Open the next availability if possible; else it is a slot, or lies beyond the watched days."""
        page, visit, place = self.page, self.page.visit, self.page.ask.place
        day = day_of(next_at, visit.zone)
        reason = f"the next availability is {local_text(next_at, visit.zone)}"
        if day > visit.last_day:
            far = f"{reason}, beyond the {visit.horizon.days} days that are watched"
            if self.found.odd or self.troubled:
                return Reading(Outcome.UNREADABLE, f"{far}, but not all that it says can be read or believed")
            return Reading(Outcome.NO_SLOTS, far, covered=(replace(self.asked, last=visit.last_day),))
        if page.ask.window and day < self.first:
            return Reading(Outcome.UNREADABLE, f"{reason}, before {self.first}, which was asked for")
        sure = day > self.first and not self.found.odd and not self.troubled
        gap = (replace(self.asked, last=day - _DAY),) if sure else ()
        slot = Slot(place, next_at)
        if self.opens is None or (page.ask.window and day == self.first):
            return Reading(Outcome.SLOTS, reason, (slot,), gap)
        ask = _ask(self.opens, visit, self._window(day), place, page.ask.rank)
        return Reading(None, reason, covered=gap, asks=(ask,), fallback=(slot,), next_at=next_at)

    def read_absence(self) -> Reading:
        if doubt := self._doubt():
            return Reading(Outcome.UNREADABLE, doubt)
        watched = replace(self.asked, last=self.page.visit.last_day)
        window = watched if self.found.final else self._shown_window()
        reason = f"nothing from {window.first} to {window.last}"
        return Reading(Outcome.NO_SLOTS, reason, covered=(window,), asks=self._later(window))

    def _doubt(self) -> str:
        """Return why an empty listing proves nothing; empty if it proves its days."""
        if self.troubled:
            return "lists nothing, and says that something went wrong"
        if (said := message_of(self.page)) and not says_none(said):
            return f"lists nothing, and says {said[:200]!r}"
        if self.found.odd:
            return "lists nothing, and what would prove it is missing or cannot be read"
        if count_moments_in(self.page) > self.found.others:
            return "lists nothing, and yet a moment stands in it"
        ahead = self.found.begins and self.asked.last and self.found.begins > self.asked.last
        if not (self.astray or ahead):
            return ""
        shown = f"until {self.found.last}" if self.astray else f"from {self.found.begins} on"
        return f"shows days {shown}, asked from {self.first} on"

    def _shown_window(self) -> CoveredWindow:
        """Return the requested window, as far as the answer shows it."""
        shown = self.found.last if self.found.last and self.found.last >= self.first else None
        last = min(filter(None, (self.asked.last, shown)), default=None)
        return replace(self.asked, first=max(self.first, self.found.begins or self.first), last=last)

    def _later(self, window: CoveredWindow) -> tuple[PageRequest, ...]:
        """Request all windows after this one, rotated each visit; their own answers add none."""
        page, opens = self.page, self.opens
        if opens is None or page.ask.step == _LATER or not window.last or self.astray:
            return ()
        first = window.last + _DAY
        days = range(0, (page.visit.last_day - window.last).days, WEEK_LENGTH)
        windows = [self._window(first + timedelta(days=ahead)) for ahead in days]
        return tuple(
            replace(_ask(opens, page.visit, each, page.ask.place, rank), step=_LATER)
            for rank, each in enumerate(page.visit.in_turn(windows), _LATER_RANK)
        )

    def _window(self, first: date) -> CoveredWindow:
        window = _window(self.page.visit, self.page.ask.place, first, WEEK_LENGTH)
        return replace(window, doubtful=self.asked.doubtful)


def _window(visit: VisitContext, place: Place, first: date, days: int) -> CoveredWindow:
    return CoveredWindow(place.key, first, min(first + timedelta(days=days - 1), max(first, visit.last_day)))


def _ask(
    opens: WindowRequest, visit: VisitContext, window: CoveredWindow, place: Place, rank: int
) -> PageRequest:
    return replace(opens(visit, window), place=place, window=window, rank=rank)


def _describe_unread(found: Listing) -> str:
    """Describe a listing without a readable moment."""
    lists = pluralize(len(found.moments), "moment") + " that cannot be read" if found.moments else "no moment"
    said = "" if found.total is None else f", and says that there are {found.total}"
    return f"lists {lists}{said}"
