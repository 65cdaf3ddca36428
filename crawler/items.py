"""Scrapy items: one CheckItem per check for the database, and slots as plain rows for feeds."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from configs.world.desk import Desk
from crawler.parsing.date_windows import local_iso
from crawler.proofs.page_capture import PageCapture
from crawler.visit_state import VisitResult


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
    captures: tuple[PageCapture, ...] = field(
        default=(), repr=False
    )  # pages that may prove it (crawler/proofs)


@dataclass(frozen=True)
class CheckBatch:
    """Checks that ended since the last such item.

    Scrapy takes an item out of start() in every other turn of its loop. Yielded one by one, half of the checks of a
    spider at full speed waited for seconds, unwritten (1,500 of 3,000 after ten seconds).
    """

    checks: tuple[CheckItem, ...]


@dataclass(frozen=True)
class SlotItem:
    """A slot as a feed exports it, in the order of its columns."""

    desk: str
    prefecture: str
    procedures: tuple[str, ...]
    label: str
    place: str | None
    starts_at: (
        str | None
    )  # ISO 8601 with the offset of the desk's zone, or a date; None where only "open" is known
    seats: int | None
    booking_url: str
    seen_at: str  # UTC


def slot_items(desk: Desk, check: CheckItem) -> Iterator[SlotItem]:
    """Yield a check's slots as rows, the earliest first."""
    for slot in sorted(check.slots, key=lambda slot: (slot.moment_text, slot.place.key)):
        yield SlotItem(
            desk=desk.id,
            prefecture=desk.prefecture_id,
            procedures=tuple(sorted(desk.procedures)),
            label=desk.label,
            place=slot.place.label or slot.place.key or None,
            starts_at=local_iso(slot.moment, desk.zone),
            seats=slot.seats,
            booking_url=slot.url or check.booking_url,
            seen_at=check.seen_at.isoformat(),
        )
