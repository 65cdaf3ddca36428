"""Selection of the checks whose page is kept: detections, and inconclusive outcomes that differ from the last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from configs.clock import clock
from configs.desk import Desk
from configs.outcome import Outcome
from configs.proofs import new_key
from crawler.items import CheckItem
from crawler.proofs.page_capture import Moment, PageCapture, moment_of, showing
from crawler.reading import Slot

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True)
class Proof:
    """A page to keep under `key`; the rows that it proves have this key."""

    key: str
    desk: Desk
    check: CheckItem
    capture: PageCapture
    seen_at: datetime

    @property
    def picture(self) -> "Future[bytes | None] | None":
        """Return the check's screenshot of its open page (PNG; None: it failed), if that is this page."""
        return self.check.picture if self.capture.open else None


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


class ProofPredictor:
    """Prediction whether a check's proof will be kept, from the last check of the desk in this process.

    A screenshot of the open page must be taken before the database decides. The prediction errs towards yes. A wrong
    no (another process checked the desk meanwhile) costs only that screenshot: one is rendered from the stored body.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[Outcome | None, frozenset[Moment]]] = {}

    def is_likely(self, desk_id: str, outcome: Outcome, slots: Iterable[Slot]) -> bool:
        """Record the result of a desk's check; return whether its proof is likely to be kept."""
        before, known = self._last.get(desk_id, (None, frozenset()))
        shown = frozenset(map(moment_of, slots))
        # An inconclusive check closes no slot: open slots are not new afterwards.
        self._last[desk_id] = outcome, shown if outcome.conclusive else known
        if outcome.conclusive:
            return not shown <= known
        return outcome is not before
