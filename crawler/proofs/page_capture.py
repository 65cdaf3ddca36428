"""Pages of a visit that may become its proof. Pure; parsed pages are not kept, to save memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from configs.world.desk import Outcome
from crawler.block_pages import HEADERS
from crawler.reading import Page, PageRequest, Reading, Slot, VisitContext

_MOST = 4_000_000  # bytes of pages with slots that one check keeps until it is written

Moment = tuple[str, str]
_REQUEST = TypeAdapter(PageRequest)
_KEPT = {"url", "step", "method", "place", "window", "rank", "turn"}  # of a request


@dataclass(frozen=True, slots=True)
class PageCapture:
    """A fetched page, the platform that read it, and the slots that it showed."""

    platform: str
    url: str
    status: int
    body: bytes
    headers: Mapping[str, str]
    visit: VisitContext
    ask: PageRequest
    shown: frozenset[Moment]

    @classmethod
    def of(cls, platform: str, page: Page, reading: Reading) -> "PageCapture":
        """Return the parts of a page that a proof needs."""
        kept = {name: page.headers[name] for name in HEADERS if name in page.headers}
        shown = frozenset(map(moment_of, reading.slots + reading.fallback))
        return cls(platform, page.url, page.status, page.body, kept, page.visit, page.ask, shown)

    @property
    def asked(self) -> dict[str, Any]:
        """Return the page's request as JSON values, without form and headers; `asked_of` reads it back."""
        request: dict[str, Any] = _REQUEST.dump_python(self.ask, mode="json", include=_KEPT)
        visit = {"desk": self.visit.url, "today": self.visit.today.isoformat(), "visit": self.visit.turn}
        return visit | request


class CaptureBuffer:
    """The pages of one visit that a proof may need: those with slots, the first with trouble, the last."""

    def __init__(self) -> None:
        self._open: list[PageCapture] = []
        self._first: PageCapture | None = None
        self._last: PageCapture | None = None
        self._troubled = False
        self._size = 0

    def add(self, capture: PageCapture | None, *, troubled: bool) -> None:
        """Add a page (None: a failed request); `troubled`: the visit has trouble, from this page on if not before."""
        if troubled and not self._troubled:
            self._troubled, self._first = True, capture
        self._last = capture or self._last
        if capture and capture.shown and (not self._open or self._size + len(capture.body) <= _MOST):
            self._open.append(capture)
            self._size += len(capture.body)

    def select(self, outcome: Outcome) -> tuple[PageCapture, ...]:
        """Return the pages that may prove an outcome; none if it needs no proof, or no page was fetched."""
        if outcome is Outcome.NO_SLOTS:
            return ()
        if outcome is Outcome.SLOTS:
            return tuple(self._open)
        # Of several pages without a result the last.
        is_odd = outcome is Outcome.UNREADABLE and not self._troubled
        kept = self._last if is_odd else self._first
        return (kept,) if kept else ()


def showing(captures: Iterable[PageCapture], news: Iterable[Slot]) -> PageCapture | None:
    """Return the page that shows the earliest of these slots; the first page if none shows one."""
    seen = list(captures)
    moments = sorted(map(moment_of, news), key=lambda each: (each[1], each[0]))
    found = (capture for moment in moments for capture in seen if moment in capture.shown)
    return next(found, seen[0] if seen else None)


def asked_of(stored: Mapping[str, Any]) -> PageRequest:
    """Return the request that `PageCapture.asked` stored, without form and headers."""
    return _REQUEST.validate_python({name: stored[name] for name in _KEPT})


def moment_of(slot: Slot) -> Moment:
    """Return the key of a slot at its desk: its place, and its moment as the page shows it."""
    return slot.place.key, slot.moment_text
