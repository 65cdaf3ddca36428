"""State of one visit: the next request, and the outcome that all readings prove together; `VisitState` is pure.

docs/reference/visit.md has the truth table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import heappop, heappush
from itertools import count as ascending

from configs.ground.clock import clock
from configs.ground.text import pluralize
from configs.world.desk import Desk, Fetch
from crawler.bounds import LONGEST_REASON, bound_key, clean_text
from crawler.parsing.dates import day_of
from crawler.platforms import platform
from crawler.reading import CoveredWindow, Outcome, PageRequest, Reading, Release, Slot, VisitContext

# After a refusal the visit requests nothing more. Any other trouble (a busy calendar, an unknown page) concerns its
# place only: the visit goes on with other places, up to _PATIENCE troubles.
REFUSALS = frozenset(
    {Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.RATE_LIMITED, Outcome.MAINTENANCE, Outcome.CLOSED}
)
_PATIENCE = 3


def visit_of(desk: Desk, turn: int = 0) -> VisitContext:
    """Return what a platform may know of a desk now, on its `turn`-th visit.

    Raises:
        pydantic.ValidationError: its parameters are not the platform's.
    """
    return VisitContext(
        url=desk.url,
        today=clock().astimezone(desk.zone).date(),
        zone=desk.zone,
        parameters=platform(desk.platform).Parameters.model_validate(desk.parameters),
        horizon=timedelta(days=desk.horizon),
        turn=turn,
        browser=desk.fetch is Fetch.BROWSER,
        position=desk.position,
    )


@dataclass(frozen=True, kw_only=True)
class VisitResult:
    """What a visit proved."""

    outcome: Outcome
    reason: str  # the evidence
    slots: tuple[Slot, ...] = ()
    covered: tuple[CoveredWindow, ...] = ()
    places: tuple[str, ...] = ()  # keys of all places that the pages named, asked or not
    trouble: Outcome | None = None  # its refusal, else its first trouble, also where slots were seen
    retry_after: float | None = None  # seconds, by that trouble
    refused: bool = False  # whether that was a plain 403
    releases_at: datetime | None = None  # the next release of hours that the pages announce
    publications: tuple[Release, ...] = ()  # the releases of hours that they name with their days


class VisitState:
    """The requests of a visit, in their order (`next`), and the sum of its readings (`add_reading`, `result`).

    Lower ranks go first. Within a rank, steps go before calendars, which they may make needless, and near weeks
    before far ones. At most `limit` requests are made, none twice; what they leave out is not covered. Moments before
    `now` (aware, in the desk's zone) can no longer be booked: they are dropped, and prove nothing.
    """

    def __init__(self, first: PageRequest, *, limit: int, now: datetime) -> None:
        self.asked = 0
        self._limit = limit
        self._now = now
        self._past = 0
        self._spent = False
        self._queue: list[tuple[tuple[int, date], int, PageRequest]] = []
        self._known: set[str] = set()
        self._order = ascending()
        self._places: dict[str, None] = {}
        self._out: list[PageRequest] = []
        self._seen: dict[tuple[str, str], Slot] = {}
        self._fallback: dict[str, Slot] = {}
        self._unsettled: set[str] = set()
        self._covered: dict[CoveredWindow, None] = {}
        self._proofs: list[str] = []
        self._troubles: list[Reading] = []
        self._releases: list[datetime] = []
        self._publications: dict[Release, None] = {}
        self._beyond = ""
        self._push(first)

    @property
    def troubled(self) -> bool:
        """Whether a request brought trouble."""
        return bool(self._troubles)

    def next(self) -> PageRequest | None:
        """Return the next request, None when the visit is over."""
        refused = any(trouble.outcome in REFUSALS for trouble in self._troubles)
        if not self._queue or self.asked >= self._limit or refused or len(self._troubles) >= _PATIENCE:
            return None
        self.asked += 1
        self._out.append(heappop(self._queue)[2])
        return self._out[-1]

    def add_reading(self, ask: PageRequest, reading: Reading) -> None:
        """Add the reading of the answer to `ask`."""
        self._out.remove(ask)
        ahead = [slot for slot in reading.slots if not self._is_past(slot)]
        self._past += len(reading.slots) - len(ahead)
        self._beyond = self._beyond or reading.beyond
        self._seen |= {(slot.place.key, slot.moment_text): slot for slot in ahead}
        self._covered |= dict.fromkeys(reading.covered)
        self._fallback |= {slot.place.key: slot for slot in reading.fallback}
        self._unsettled |= {slot.place.key for slot in reading.fallback if not reading.asks}
        self._publications |= dict.fromkeys(reading.publications)
        if reading.releases_at and reading.releases_at > self._now:
            self._releases.append(reading.releases_at)
        led_on = sum([self._push(following) for following in reading.asks])
        if reading.outcome is not None and not reading.outcome.conclusive:
            self._fail(ask, reading)
        elif reading.covered:
            self._proofs.append(reading.reason)
        elif not (led_on or reading.slots):
            self._fail(
                ask, Reading(Outcome.UNREADABLE, reading.reason or "leads nowhere that was not asked yet")
            )

    def skip(self, ask: PageRequest) -> None:
        """Put a request back that may not be made: its window stays uncovered, and the visit ends."""
        self._out.remove(ask)
        self.asked -= 1
        self._spent = True
        self._wait_for(ask)

    def result(self) -> VisitResult:
        """Return what the visit proved: slots if it saw any, else its refusal or first trouble, else their absence."""
        for ask in list(self._out):
            self.add_reading(ask, Reading(Outcome.UNREACHABLE, f"no answer to {ask.method} {ask.url}"))
        slots = self._slots()
        refusals = (each for each in self._troubles if each.outcome in REFUSALS)
        trouble = next(refusals, self._troubles[0] if self._troubles else None)
        outcome, reason = self._outcome(slots, trouble)
        if self._beyond and self._beyond not in reason:
            reason = f"{reason}; {self._beyond}"
        return VisitResult(
            outcome=outcome,
            reason=clean_text(reason, LONGEST_REASON),
            slots=slots,
            covered=tuple(self._covered),
            places=tuple(self._places),
            trouble=trouble.outcome if trouble else None,
            retry_after=trouble.retry_after if trouble else None,
            refused=trouble is not None and trouble.refused,
            releases_at=min(self._releases, default=None),
            publications=tuple(self._publications),
        )

    def _outcome(self, slots: tuple[Slot, ...], trouble: Reading | None) -> tuple[Outcome, str]:
        if slots:
            moments = sorted(slot.moment_text for slot in slots if slot.moment is not None)
            return Outcome.SLOTS, _describe_moments(moments) or "open, at an unknown hour"
        if trouble is not None and trouble.outcome is not None:
            return trouble.outcome, trouble.reason
        if self._past:
            return Outcome.UNREADABLE, f"shows {pluralize(self._past, 'moment')}, none of them ahead"
        left = f"; {pluralize(len(self._queue), 'request')} left unasked" if self._queue else ""
        if not self._proofs and self._spent:  # no failure: our request budget was used up
            return Outcome.OVERLOADED, f"our requests were used up before anything was proven{left}"
        if not self._proofs:
            return Outcome.UNREADABLE, f"nothing was proven by {pluralize(self.asked, 'request')}{left}"
        more = f" (and {pluralize(len(self._proofs) - 1, 'answer')} like it)" if len(self._proofs) > 1 else ""
        return Outcome.NO_SLOTS, self._proofs[0] + more + left

    def _slots(self) -> tuple[Slot, ...]:
        """Return the slots that were seen, and the fallbacks that no answer has replaced."""
        waiting = {bound_key(ask.place.key) for _, _, ask in self._queue} | self._unsettled
        standing = {
            (key, slot.moment_text): slot
            for key, slot in self._fallback.items()
            if key in waiting and not self._is_superseded(slot)
        }
        slots = list((standing | self._seen).values())
        timed = {slot.place.key for slot in slots if slot.moment is not None}
        return tuple(slot for slot in slots if slot.moment is not None or slot.place.key not in timed)

    def _is_superseded(self, slot: Slot) -> bool:
        """Whether a fallback with a date is past, or a later answer covered its day: then that answer counts."""
        if slot.moment is None:
            return False
        day = day_of(slot.moment, self._now.tzinfo)
        return self._is_past(slot) or any(
            each.place_key in (None, slot.place.key)
            and (each.first or date.min) <= day <= (each.last or date.max)
            for each in self._covered
        )

    def _is_past(self, slot: Slot) -> bool:
        if isinstance(slot.moment, datetime):
            # Wall clocks are ambiguous where an hour comes twice.
            return slot.moment.timestamp() < self._now.timestamp()
        return slot.moment is not None and slot.moment < self._now.date()

    def _push(self, ask: PageRequest) -> bool:
        key = (
            f"{ask.method} {ask.url} {ask.form and sorted(ask.form.items())} {ask.json} {ask.text} {ask.acts}"
        )
        if key in self._known:
            return False
        self._known.add(key)
        if ask.place.key:
            self._places[bound_key(ask.place.key)] = None
        self._wait_for(ask)
        return True

    def _wait_for(self, ask: PageRequest) -> None:
        first = (ask.rank, ask.window.first if ask.window and ask.window.first else date.min)
        heappush(self._queue, (first, next(self._order), ask))

    def _fail(self, ask: PageRequest, trouble: Reading) -> None:
        self._troubles.append(trouble)
        self._unsettled.add(bound_key(ask.place.key))


def _describe_moments(moments: Sequence[str]) -> str:
    """Return the number of moments and the first of them; empty without any."""
    first = ", the first" if len(moments) > 1 else ":"
    return f"{pluralize(len(moments), 'moment')}{first} {moments[0]}" if moments else ""
