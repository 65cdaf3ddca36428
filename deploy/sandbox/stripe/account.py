"""One account of Stripe: its objects, its clock, its settings and its events."""

from __future__ import annotations

import heapq
import itertools
from calendar import monthrange
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.clock import now
from deploy.sandbox.stripe.objects import Json, blank, missing_object, new_id, show

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# https://docs.stripe.com/api/versioning; the version that the SDK 16.1 sends.
API_VERSION: Final = "2026-10-28.endive"


class BillingClock:
    """Unix seconds: the real time, plus what it was moved on; and a list of what is due."""

    def __init__(self) -> None:
        self._offset = 0
        self._instead: int | None = None
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def now(self) -> int:
        """Return the present moment; while something due happens, the moment at which it was due."""
        return self._instead if self._instead is not None else _read_seconds() + self._offset

    def add_due(self, moment: int, act: Callable[[], None]) -> None:
        """Call ``act`` when the clock reaches a moment. It must see for itself whether it still applies."""
        heapq.heappush(self._due, (moment, next(self._numbers), act))

    def run_due(self) -> None:
        """Let happen, in their order, what was due until now, and what that makes due."""
        if self._instead is None:
            self._run(until=self.now())

    def move_to(self, moment: int) -> None:
        """Move on to a moment (never back), and let happen what is due until then."""
        target = max(moment, self.now())
        self._run(until=target)
        self._offset = target - _read_seconds()

    def _run(self, until: int) -> None:
        while self._due and self._due[0][0] <= until:
            moment, _, act = heapq.heappop(self._due)
            with self.at(moment):
                act()

    @contextmanager
    def at(self, moment: int) -> Iterator[None]:
        """Let it be that moment while the block lasts."""
        self._instead = moment
        try:
            yield
        finally:
            self._instead = None


def add_months(start: int, months: int) -> int:
    """Return the same day and time some months on, or that month's last day, in UTC."""
    begin = datetime.fromtimestamp(start, UTC)
    year, month = divmod(begin.year * 12 + begin.month - 1 + months, 12)
    day = min(begin.day, monthrange(year, month + 1)[1])
    return int(begin.replace(year=year, month=month + 1, day=day).timestamp())


def _read_seconds() -> int:
    return int(now().timestamp())


@dataclass
class Account:
    """Everything that is kept. It is touched by one thread only, the sandbox's event loop."""

    origin: str = ""  # base URL of the pages
    live: bool = False  # whether the last call came with a live key
    clock: BillingClock = field(default_factory=BillingClock)
    after_retries: str = "cancel"  # what becomes of a subscription that no retry could collect: AFTER_RETRIES
    refunds_begin: str = "succeeded"  # BEGINNINGS of resources/money_back.py
    draft_seconds: int = 3600  # from a renewal's draft to its first payment; up to 72 h while a webhook fails
    listener: Callable[[Json], None] = lambda _: None  # called with each new event
    _objects: dict[str, dict[str, Json]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def add(self, made: Json) -> Json:
        """Keep a new object; return it."""
        made["_number"] = next(self._numbers)
        self._objects.setdefault(made["object"], {})[made["id"]] = made
        return made

    def build(self, kind: str, **values: Any) -> Json:
        """Return a new object of a kind, of this moment, with these values."""
        made = blank(kind)
        made["id"] = new_id(made["_prefix"])
        return made | ({"created": self.clock.now()} if "created" in made else {}) | values

    def new(self, kind: str, **values: Any) -> Json:
        """Keep a new object of a kind with these values; return it."""
        return self.add(self.build(kind, **values))

    def make(self, event: str, kind: str, **values: Any) -> Json:
        """Keep a new object of a kind and emit an event of this type; return the object."""
        made = self.new(kind, **values)
        self.emit(event, made)
        return made

    def drop(self, thing: Json) -> None:
        """Forget an object."""
        self._objects[thing["object"]].pop(thing["id"])

    def get(self, kind: str, identifier: str | None) -> Json | None:
        """Return an object, or None."""
        return self._objects.get(kind, {}).get(identifier or "")

    def find(self, kind: str, identifier: str, param: str | None = None) -> Json:
        """Return an object that is not deleted.

        Raises:
            StripeError: there is none: 404, or 400 where the id is the parameter ``param``.
        """
        found = self.get(kind, identifier)
        if found is None or (param and found.get("deleted")):
            raise missing_object(kind, identifier, param)
        return found

    def all(self, kind: str) -> list[Json]:
        """Return all objects of a kind, oldest first."""
        return list(self._objects.get(kind, {}).values())

    def where(self, kind: str, **fields: Any) -> list[Json]:
        """Return the objects of a kind that have these values, oldest first."""
        wished = fields.items()
        return [each for each in self.all(kind) if all(each.get(name) == value for name, value in wished)]

    def emit(self, kind: str, thing: Json) -> None:
        """Make an event of an object as it is now."""
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.clock.now(),
            "data": {"object": show(thing)},
            "livemode": self.live,
            "pending_webhooks": 1,
            "type": kind,
        }
        self.add(event)
        self.listener(event)

    def change(self, thing: Json, kind: str, **values: Any) -> Json:
        """Set values of an object and emit an event of this type; return the object."""
        thing.update(values)
        self.emit(kind, thing)
        return thing
