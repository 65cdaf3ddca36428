"""Figures of `make bench`: the effort of a measurement, rounds of it, a measured figure, and its goal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from api.models.base import engine
from configs.settings import settings

T = TypeVar("T")
Say = Callable[[str], None]
_ROUNDS = 3


@dataclass(frozen=True)
class Effort:
    """How long to measure: for figures, or only to see that it works."""

    quick: bool = False

    def of(self, whole: T, quick: T) -> T:
        """Return what this effort takes."""
        return quick if self.quick else whole

    def run_in_turns(self, **ways: Callable[[], T]) -> dict[str, list[T]]:
        """Run each way once a round; return what each gave, by round."""
        found: dict[str, list[T]] = {name: [] for name in ways}
        for _ in range(self.of(_ROUNDS, 1)):
            for name, way in ways.items():
                found[name].append(way())
        return found


@dataclass(frozen=True)
class Goal:
    """What a figure is held to: at least, at most or below a bound."""

    sense: str
    bound: float

    def is_met_by(self, value: float) -> bool:
        """Whether a value meets it."""
        met = {"≥": value >= self.bound, "≤": value <= self.bound, "<": value < self.bound}
        return met[self.sense]

    def __str__(self) -> str:
        """Return it as the table shows it."""
        return f"{self.sense} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table; its name carries the unit."""

    name: str
    value: float
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        """Return whether the goal is met, nothing where there is none."""
        return "" if self.goal is None else "yes" if self.goal.is_met_by(self.value) else "no"

    @property
    def shown(self) -> str:
        """Return the value with as many digits as mean something."""
        return f"{self.value:.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"


Part = Callable[[Effort, Say], list[Figure]]


def at_least(bound: float) -> Goal:
    """Return a goal."""
    return Goal("≥", bound)


def at_most(bound: float) -> Goal:
    """Return a goal."""
    return Goal("≤", bound)


def below(bound: float) -> Goal:
    """Return a goal."""
    return Goal("<", bound)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of all do not exceed (of few, the 99th is the largest).

    Raises:
        IndexError: there are none.
    """
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def percentiles_ms(name: str, seconds: Sequence[float], goals: Mapping[int, Goal | None]) -> Iterator[Figure]:
    """Yield a figure for each percentile, in milliseconds."""
    for percent, goal in goals.items():
        yield Figure(f"{name}, p{percent} ms", 1000 * percentile(seconds, percent), goal)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios within each round."""
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def forget() -> None:
    """Drop what this process read from the environment and connected to: parts run one after the other in it."""
    if engine.cache_info().currsize:
        engine().dispose()
    for remembered in (settings, engine):
        remembered.cache_clear()
