"""Which checks are proven by a kept page: a detection, and an inconclusive answer unlike the one before."""

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
    """A page that is to be kept under `key`, which stands in the rows that it proves."""

    key: str
    desk: Desk
    check: CheckItem
    sight: PageCapture
    seen_at: datetime

    @property
    def picture(self) -> "Future[bytes | None] | None":
        """Return the picture that the check takes of its own open page (a PNG; None: it failed), if it is this page."""
        return self.check.picture if self.sight.open else None


def of_detection(desk: Desk, check: CheckItem, news: Iterable[Slot], seen_at: datetime) -> Proof | None:
    """Return the proof of what is new: the page that showed it, its earliest moment where several did."""
    sight = showing(check.sights, news)
    return Proof(new_key(clock()), desk, check, sight, seen_at) if sight else None


def of_trouble(desk: Desk, check: CheckItem, before: Outcome | None, seen_at: datetime) -> Proof | None:
    """Return the proof of an answer that proves nothing; none where the one before was of its kind, or no page came.

    A run that begins by a time-out and goes on by a page that nobody understands is proven by that page.
    """
    if check.outcome.conclusive or check.outcome is before or not check.sights:
        return None
    return Proof(new_key(clock()), desk, check, check.sights[0], seen_at)


class ProofPredictor:
    """What a process saw of each desk last: whether a proof of the next answer is likely to be kept.

    For what is dear and must be done before the tables decide, such as a picture of a page that is still open. It errs
    towards yes; a no that was wrong, where another process saw the desk meanwhile, costs that picture alone: one is
    rendered from the body that is kept.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[Outcome | None, frozenset[Moment]]] = {}

    def is_likely(self, desk_id: str, outcome: Outcome, slots: Iterable[Slot]) -> bool:
        """Take note of a desk's answer; return whether its proof is likely to be kept."""
        before, known = self._last.get(desk_id, (None, frozenset()))
        shown = frozenset(map(moment_of, slots))
        # What proves nothing closes nothing: slots that were open are no news afterwards.
        self._last[desk_id] = outcome, shown if outcome.conclusive else known
        if outcome.conclusive:
            return not shown <= known
        return outcome is not before
