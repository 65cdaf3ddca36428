"""What a visit saw that may become its proof: pure, and light: a parsed page is never held."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from configs.outcome import Outcome
from crawler.parsing.websocket_frames import CUT_OFF
from crawler.reading import CoveredWindow, Page, PageRequest, Place, Reading, Slot, VisitContext

HEADERS = ("content-type", "retry-after", CUT_OFF.lower())  # what readers and walls look at
_MOST = 4_000_000  # bytes of pages with slots that one check holds until it is written

Moment = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PageCapture:
    """A page as it was fetched, by which platform's rules it was read, and the slots that it showed.

    `open`: it was the last of its visit, so that a browser still shows it.
    """

    platform: str
    url: str
    status: int
    body: bytes
    headers: Mapping[str, str]
    visit: VisitContext
    ask: PageRequest
    shown: frozenset[Moment]
    open: bool = False

    @classmethod
    def of(cls, platform: str, page: Page, reading: Reading) -> "PageCapture":
        """Take from a page what may have to be proven of it."""
        kept = {name: page.headers[name] for name in HEADERS if name in page.headers}
        shown = frozenset(map(moment_of, reading.slots + reading.fallback))
        return cls(platform, page.url, page.status, page.body, kept, page.visit, page.ask, shown)

    @property
    def asked(self) -> dict[str, Any]:
        """Return what the page answers to, as plain JSON values; no form, no header: `page_of` reads it back."""
        place, window = self.ask.place, self.ask.window
        return {
            "desk": self.visit.url,
            "today": self.visit.today.isoformat(),
            "url": self.ask.url,
            "method": self.ask.method,
            "step": self.ask.step,
            "place": [place.key, place.label],
            "window": window and [window.place_key, _iso(window.first), _iso(window.last), window.doubtful],
            "rank": self.ask.rank,
            "turn": [self.visit.turn, self.ask.turn],
        }


class CaptureBuffer:
    """Holds the pages of one visit that may have to be shown: those with slots, the first in trouble, the last."""

    def __init__(self) -> None:
        self._open: list[PageCapture] = []
        self._first: PageCapture | None = None
        self._last: PageCapture | None = None
        self._troubled = False
        self._size = 0

    def add(self, sight: PageCapture | None, *, troubled: bool) -> None:
        """Note a page (None: none came); `troubled`: the visit is in trouble, by this page if it was not before."""
        if troubled and not self._troubled:
            self._troubled, self._first = True, sight
        self._last = sight or self._last
        if sight and sight.shown and (not self._open or self._size + len(sight.body) <= _MOST):
            self._open.append(sight)
            self._size += len(sight.body)

    def sights(self, outcome: Outcome) -> tuple[PageCapture, ...]:
        """Return what may prove this outcome: nothing where it needs no proof, or where no page came."""
        chosen = self._select(outcome)
        return tuple(replace(each, open=True) if each is self._last else each for each in chosen)

    def _select(self, outcome: Outcome) -> tuple[PageCapture, ...]:
        if outcome is Outcome.NO_SLOTS:
            return ()
        if outcome is Outcome.SLOTS:
            return tuple(self._open)
        if (
            not self._troubled and outcome is Outcome.UNREADABLE
        ):  # of several pages that say nothing, the last
            return (self._last,) if self._last else ()
        return (self._first,) if self._first else ()


def showing(sights: Iterable[PageCapture], news: Iterable[Slot]) -> PageCapture | None:
    """Return the sight of the earliest of these slots; the first of all where none is seen on any."""
    seen = list(sights)
    for moment in sorted(map(moment_of, news), key=lambda each: (each[1], each[0])):
        for sight in seen:
            if moment in sight.shown:
                return sight
    return seen[0] if seen else None


def asked_of(stored: Mapping[str, Any]) -> PageRequest:
    """Return the request that `Sight.asked` wrote down, without what was sent with it."""
    window = stored["window"]
    return PageRequest(
        stored["url"],
        stored["step"],
        stored["method"],
        place=Place(*stored["place"]),
        window=window and CoveredWindow(window[0], _day(window[1]), _day(window[2]), bool(window[3])),
        rank=stored["rank"],
        turn=stored["turn"][1],
    )


def moment_of(slot: Slot) -> Moment:
    """Return what a slot is known by at its desk: the place, and the moment as its page shows it."""
    return slot.place.key, slot.moment_text


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
