"""Selection of proofs: the page of a check that is kept, of a detection or of a run of inconclusive checks."""

from collections.abc import Iterable
from dataclasses import dataclass

from configs.ground.clock import clock
from configs.ground.proofs import new_key
from configs.world.desk import Desk
from crawler.items import CheckItem, PageCapture, showing
from crawler.reading import Slot


@dataclass(frozen=True, slots=True)
class Proof:
    """A page to keep under `key`; the rows that it proves have this key."""

    key: str
    desk: Desk
    check: CheckItem
    capture: PageCapture


def of_detection(desk: Desk, check: CheckItem, news: Iterable[Slot]) -> Proof | None:
    """Return the proof of a detection: the page with its earliest new slot."""
    capture = showing(check.captures, news)
    return Proof(new_key(clock()), desk, check, capture) if capture else None


def of_trouble(desk: Desk, check: CheckItem, before: str | None) -> Proof | None:
    """Return the proof of an inconclusive check; None without a page, or if `before` is the same outcome.

    After a time-out, which has no page, an unreadable page is kept.
    """
    if check.outcome.conclusive or check.outcome == before or not check.captures:
        return None
    return Proof(new_key(clock()), desk, check, check.captures[0])
