"""The stand-in's clock, which can be moved on, and what is due at which of its moments."""

from __future__ import annotations

import heapq
import itertools
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deploy.sandbox.clock import now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class BillingClock:
    """Unix seconds: the real time, plus what it was moved on; and a list of what is due."""

    def __init__(self) -> None:
        self._offset = 0
        self._instead: int | None = None
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def now(self) -> int:
        """Return the present moment; while something due happens, the moment at which it was due."""
        return self._instead if self._instead is not None else _real() + self._offset

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
        self._offset = target - _real()

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
    month = begin.month - 1 + months
    year, month = begin.year + month // 12, month % 12 + 1
    for day in range(begin.day, 27, -1):
        try:
            return int(begin.replace(year=year, month=month, day=day).timestamp())
        except ValueError:
            continue
    return int(begin.replace(year=year, month=month).timestamp())


def _real() -> int:
    return int(now().timestamp())
