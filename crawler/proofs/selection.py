"""Selection of the checks whose page is kept: detections, and inconclusive outcomes that differ from the last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.world.desk import Desk
from configs.world.outcome import Outcome
from crawler.items import CheckItem
from crawler.proofs.page_capture import PageCapture, showing
from crawler.reading import Slot


@dataclass(frozen=True, slots=True)
class Proof:
    """A page to keep under `key`; the rows that it proves have this key."""

    key: str
    desk: Desk
    check: CheckItem
    capture: PageCapture
    seen_at: datetime


def of_detection(desk: Desk, check: CheckItem, news: Iterable[Slot], seen_at: datetime) -> Proof | None:
    """Return the proof of a detection: the page with its earliest new slot."""
    capture = showing(check.captures, news)
    return Proof(new_key(clock()), desk, check, capture, seen_at) if capture else None


def of_trouble(desk: Desk, check: CheckItem, before: Outcome | None, seen_at: datetime) -> Proof | None:
    """Return the proof of an inconclusive check; None after a check with the same outcome, or without a page.

    After a time-out, which has no page, an unreadable page is kept.
    """
    if check.outcome.conclusive or check.outcome is before or not check.captures:
        return None
    return Proof(new_key(clock()), desk, check, check.captures[0], seen_at)
