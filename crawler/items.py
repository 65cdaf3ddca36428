"""Scrapy items: one CheckItem per check for the database, slots as plain rows for feeds, a report at the terminal.

And the pages of a check that may become its proof; parsed pages are not kept, to save memory.
"""

import os
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import chain, starmap
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from configs.world.desk import Desk
from crawler.classification import HEADERS
from crawler.parsing.dates import local_iso, local_text
from crawler.reading import Outcome, Page, PageRequest, Reading, Slot, VisitContext
from crawler.visit_state import VisitResult

if TYPE_CHECKING:  # the planner loads this module, and nothing of Scrapy
    from scrapy.settings import BaseSettings

_FEW = 5
_STANDARD_OUTPUT = ("-", "stdout:")
_MOST_BYTES = 4_000_000  # bytes of pages with slots that one check keeps until it is written
SlotKey = tuple[str, str]
_REQUEST = TypeAdapter(PageRequest)
_REQUEST_FIELDS = {"url", "step", "method", "place", "window", "rank", "turn"}  # of a request


@cache
def process_name() -> str:
    """Return host:pid, as checks are signed."""
    return f"{socket.gethostname()}:{os.getpid()}"


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
    shown: frozenset[SlotKey]

    @classmethod
    def of(cls, platform: str, page: Page, reading: Reading) -> "PageCapture":
        """Return the parts of a page that a proof needs."""
        kept = {name: page.headers[name] for name in HEADERS if name in page.headers}
        shown = frozenset(map(slot_key, reading.slots + reading.fallback))
        return cls(platform, page.url, page.status, page.body, kept, page.visit, page.ask, shown)

    @property
    def asked(self) -> dict[str, Any]:
        """Return the page's request as JSON values, without form and headers; `asked_of` reads it back."""
        request: dict[str, Any] = _REQUEST.dump_python(self.ask, mode="json", include=_REQUEST_FIELDS)
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
        if capture and capture.shown and (not self._open or self._size + len(capture.body) <= _MOST_BYTES):
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
    moments = sorted(map(slot_key, news), key=lambda each: (each[1], each[0]))
    found = (capture for moment in moments for capture in seen if moment in capture.shown)
    return next(found, seen[0] if seen else None)


def asked_of(stored: Mapping[str, Any]) -> PageRequest:
    """Return the request that `PageCapture.asked` stored, without form and headers."""
    return _REQUEST.validate_python({name: stored[name] for name in _REQUEST_FIELDS})


def slot_key(slot: Slot) -> SlotKey:
    """Return the key of a slot at its desk: its place, and its moment as the page shows it."""
    return slot.place.key, slot.moment_text


@dataclass(frozen=True, kw_only=True)
class CheckItem(VisitResult):
    """How one check of one desk ended: exactly one outcome, whatever happened, and all that its visit proved."""

    desk_id: str
    token: int | None  # of the claim; None at the terminal
    started_at: datetime
    seen_at: datetime  # when its last page was read, UTC
    milliseconds: int  # from the first request on, without our own pauses
    requests: int  # redirects and retries included
    error: str | None  # the exception behind an inconclusive outcome
    booking_url: str
    process: str  # host:pid
    probe: bool = False  # asks only whether a stale address lives
    title: str | None = None  # of a stale address's pages
    gone: bool = False  # whether a stale address leads nowhere
    robots_text: str | None = None  # robots.txt, where that was asked for and read
    # Pages that may prove it (crawler/proofs).
    captures: tuple[PageCapture, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class CheckBatch:
    """Checks that ended since the last such item.

    Scrapy takes an item out of start() in every other turn of its loop. Yielded one by one, half of the checks of a
    spider at full speed waited for seconds, unwritten (1,500 of 3,000 after ten seconds).
    """

    checks: tuple[CheckItem, ...]


def slot_items(desk: Desk, check: CheckItem) -> Iterator[dict[str, object]]:
    """Yield a check's slots as a feed exports them, in the order of its columns, the earliest first.

    `starts_at` is in ISO 8601 with the offset of the desk's zone, a date, or None where only "open" is known.
    """
    for slot in sorted(check.slots, key=lambda slot: (slot.moment_text, slot.place.key)):
        yield {
            "desk": desk.id,
            "prefecture": desk.prefecture_id,
            "procedures": tuple(sorted(desk.procedures)),
            "label": desk.label,
            "place": slot.place.label or slot.place.key or None,
            "starts_at": local_iso(slot.moment, desk.zone),
            "seats": slot.seats,
            "booking_url": slot.url or check.booking_url,
            "seen_at": check.seen_at.isoformat(),  # UTC
        }


def print_report(system: str, checks: Sequence[tuple[Desk, CheckItem]], settings: "BaseSettings") -> None:
    """Write how checks ended to standard output, or to standard error where a feed has that for itself."""
    taken = any(str(uri).startswith(_STANDARD_OUTPUT) for uri in settings.getdict("FEEDS"))
    (sys.stderr if taken else sys.stdout).write(describe_checks(system, checks))


def describe_checks(system: str, checks: Sequence[tuple[Desk, CheckItem]]) -> str:
    """Return how the checks of a system ended, in the order of their desks, lines ended."""
    ordered = sorted(checks, key=lambda each: each[0].id)
    ended = Counter(check.outcome for _, check in checks)
    counts = ", ".join(f"{ended[outcome]} {outcome}" for outcome in Outcome if ended[outcome])
    summary = f"{system}: {len(checks)} checked: {counts or 'stopped before any check ended'}"
    return "".join(f"{line}\n" for line in (*chain.from_iterable(starmap(_lines, ordered)), summary))


def _lines(desk: Desk, check: CheckItem) -> Iterator[str]:
    requests = f"{check.requests} request{'s' if check.requests != 1 else ''}"
    yield f"{desk.id}: {check.outcome.upper()} in {check.milliseconds} ms, {requests}"
    yield f"    {desk.label}"
    if not check.slots:
        yield f"    {' '.join(check.reason.split())}"
        return
    yield f"    {len(check.slots)} open, book at {check.booking_url}"
    moments = sorted(_show_moment(desk, slot) for slot in check.slots)
    yield from (f"      {moment}" for moment in moments[:_FEW])
    if len(moments) > _FEW:
        yield f"      and {len(moments) - _FEW} more"


def _show_moment(desk: Desk, slot: Slot) -> str:
    """Return the moment as the desk's own clock shows it, with the place."""
    text = local_text(slot.moment, desk.zone) if slot.moment else "at an unknown hour"
    return f"{text}  {slot.place.label or ''}".rstrip()
