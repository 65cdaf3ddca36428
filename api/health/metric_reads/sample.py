"""Samples of metrics, and counters computed from the sums of a table."""

from collections.abc import Callable, Iterable, Mapping
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

    Each read gives sums by period and labels. What a period's sum grew by since the last read is added. So rows that
    change long after they were written count as well, and a restart counts nothing twice.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[datetime, Labels], float] = {}
        self._totals: dict[Labels, float] = {}
        self._began = False

    def expect(self, labels: Iterable[Labels]) -> None:
        """Begin these counters with 0: Prometheus sees no growth in a counter that begins with 1."""
        for each in labels:
            self._totals.setdefault(each, 0)

    def update(self, sums: Mapping[tuple[datetime, Labels], float], oldest: datetime) -> None:
        """Add what grew. Periods before `oldest` are forgotten: they are not read again."""
        for key, value in sums.items():
            before = self._seen.get(key, 0)
            total = self._totals.setdefault(key[1], 0)
            if self._began and value > before:
                self._totals[key[1]] = total + value - before
            self._seen[key] = max(before, value)
        self._seen = {key: value for key, value in self._seen.items() if key[0] >= oldest}
        self._began = True

    def sum_since(self, since: datetime) -> dict[Labels, float]:
        """Return the sums of the periods that began at `since` or later."""
        found: dict[Labels, float] = {}
        for (period, labels), value in self._seen.items():
            if period >= since:
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
