"""Scrapy items: one CheckItem per check for the database, slots as plain rows for feeds, a report at the terminal."""

import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import chain, starmap
from typing import TYPE_CHECKING

from configs.world.desk import Desk
from crawler.parsing.date_windows import local_iso, local_text
from crawler.proofs.page_capture import PageCapture
from crawler.reading import Outcome, Slot
from crawler.visit_state import VisitResult

if TYPE_CHECKING:  # the planner loads this module, and nothing of Scrapy
    from scrapy.settings import BaseSettings


@cache
def process_name() -> str:
    """Return host:pid, as checks are signed."""
    return f"{socket.gethostname()}:{os.getpid()}"


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


_FEW = 5
_STANDARD_OUTPUT = ("-", "stdout:")


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
    moments = sorted(_moment(desk, slot) for slot in check.slots)
    yield from (f"      {moment}" for moment in moments[:_FEW])
    if len(moments) > _FEW:
        yield f"      and {len(moments) - _FEW} more"


def _moment(desk: Desk, slot: Slot) -> str:
    """Return the moment as the desk's own clock shows it, with the place."""
    text = local_text(slot.moment, desk.zone) if slot.moment else "at an unknown hour"
    return f"{text}  {slot.place.label or ''}".rstrip()
