"""Samples of metrics, and counters computed from the sums of a table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

Labels = tuple[str, ...]
T = TypeVar("T")


class Sample(NamedTuple):
    """One value. `name` is without the prefix; `labels` are the values, in the order of deploy/metrics/catalogue.py."""

    name: str
    value: float
    labels: Labels = ()


class GrowthCounter:
    """Counters of what grows in a table, from 0 at the first read on.

    Each read gives sums by period and labels. What a period's sum grew by since it was last read is added. So rows that
    change long after they were written count as well, and a restart counts nothing twice.
    """

    def __init__(self) -> None:
        self._seen: dict[datetime, dict[Labels, float]] = {}
        self._totals: dict[Labels, float] = {}
        # Newest period that is counted only from its next read on: the first of all, and those forgotten. A clock that
        # is set back brings them again.
        self._old: datetime | None = None

    def expect(self, labels: Iterable[Labels]) -> None:
        """Begin these counters with 0: Prometheus sees no growth in a counter that begins with 1."""
        for each in labels:
            self._totals.setdefault(each, 0)

    def update(self, periods: Sequence[datetime], sums: Mapping[datetime, Mapping[Labels, float]]) -> None:
        """Add what grew in the periods that were read, the newest first; those without sums have no rows."""
        for period in periods:
            self._old = self._old or period
            counts = period in self._seen or period > self._old
            seen = self._seen.setdefault(period, {})
            for labels, value in sums.get(period, {}).items():
                before, total = seen.get(labels, 0), self._totals.get(labels, 0)
                self._totals[labels] = total + max(0, value - before) * counts
                seen[labels] = max(before, value)

    def forget_before(self, oldest: datetime) -> None:
        """Forget the periods that are not read again."""
        forgotten = [period for period in self._seen if period < oldest]
        for period in forgotten:
            del self._seen[period]
        self._old = max((each for each in (self._old, *forgotten) if each), default=None)

    def sum_since(self, since: datetime) -> dict[Labels, float]:
        """Return the sums of the periods that began at `since` or later."""
        found: dict[Labels, float] = {}
        for period, seen in self._seen.items():
            for labels, value in seen.items() if period >= since else ():
                found[labels] = found.get(labels, 0) + value
        return found

    def list_samples(self, name: str) -> list[Sample]:
        """Return the counters."""
        return [Sample(name, value, labels) for labels, value in self._totals.items()]


def measure_quantiles(values: Iterable[float], shares: Iterable[float]) -> dict[str, float]:
    """Return the values below which these shares of `values` lie; nothing where there are none."""
    ordered = sorted(values)
    return {
        f"{share:g}": ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in shares if ordered
    }


def group_by(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, int]:
    """Return the number of rows by key."""
    found: dict[str, int] = {}
    for row in rows:
        found[key(row)] = found.get(key(row), 0) + 1
    return found
