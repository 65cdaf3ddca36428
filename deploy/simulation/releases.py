"""Releases of simulated hours: bursts at random moments, a batch each night, or hours open half of the time."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Literal
from zoneinfo import ZoneInfo

Pattern = Literal["bursts", "nightly", "both", "often"]
PARIS = ZoneInfo("Europe/Paris")
LIFE = (30.0, 300.0)  # seconds that a burst's hours stay
_APART = 2 * 3600.0  # mean seconds between two bursts of a desk
_QUIET = 900.0  # seconds after a burst without another
_NIGHTLY_LIFE = 1200.0  # mean seconds that an hour of the batch stays
_OFTEN = 1200.0  # seconds between two releases of a desk that is open half of the time
_DAYS = range(2, 15)  # ahead of the release


@dataclass(frozen=True, slots=True)
class Hour:
    """One free hour (unix seconds) of a planning, and when it is (seconds of the simulation)."""

    planning: int
    unix: int
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class SimulatedRelease:
    """Hours that were released together."""

    hours: tuple[Hour, ...]

    @property
    def begins(self) -> float:
        """When."""
        return self.hours[0].begins

    @property
    def ends(self) -> float:
        """When the last of them is taken."""
        return max(hour.ends for hour in self.hours)


def releases(
    pattern: Pattern, plannings: tuple[int, ...], start: datetime, seconds: float, chance: random.Random
) -> list[SimulatedRelease]:
    """Return what one desk releases in so many seconds from `start`, in order; no hour twice."""
    made = _Hours(start, chance)
    found = []
    if pattern in ("bursts", "both"):
        found += [made.burst(at, chance.choice(plannings)) for at in _moments(seconds, chance)]
    if pattern in ("nightly", "both"):
        found += [made.batch(at, plannings) for at in _midnights(start, seconds)]
    if pattern == "often":
        moments = (_OFTEN * each for each in range(ceil(seconds / _OFTEN)))
        found += [made.burst(at, chance.choice(plannings), _OFTEN / 2) for at in moments]
    return sorted(found, key=lambda each: each.begins)


def _moments(seconds: float, chance: random.Random) -> Iterator[float]:
    at = chance.expovariate(1 / _APART)
    while at < seconds:
        yield at
        at += LIFE[1] + _QUIET + chance.expovariate(1 / _APART)


def _midnights(start: datetime, seconds: float) -> Iterator[float]:
    local = start.astimezone(PARIS)
    night = local.replace(hour=0, minute=0, second=5) + timedelta(days=1)
    while (at := (night.astimezone(start.tzinfo) - start).total_seconds()) < seconds:
        yield at
        night += timedelta(days=1)


class _Hours:
    """Gives out hours, each once."""

    def __init__(self, start: datetime, chance: random.Random) -> None:
        self._start, self._chance = start, chance
        self._given: set[int] = set()

    def burst(self, at: float, planning: int, life: float | None = None) -> SimulatedRelease:
        ends = at + (life or self._chance.uniform(*LIFE))
        return SimulatedRelease(
            tuple(self._hour(planning, at, ends) for _ in range(self._chance.randint(1, 5)))
        )

    def batch(self, at: float, plannings: tuple[int, ...]) -> SimulatedRelease:
        return SimulatedRelease(
            tuple(
                self._hour(
                    self._chance.choice(plannings),
                    at,
                    at + LIFE[0] + self._chance.expovariate(1 / _NIGHTLY_LIFE),
                )
                for _ in range(self._chance.randint(10, 40))
            )
        )

    def _hour(self, planning: int, begins: float, ends: float) -> Hour:
        while (unix := self._draw(begins)) in self._given:
            pass
        self._given.add(unix)
        return Hour(planning, unix, begins, ends)

    def _draw(self, begins: float) -> int:
        day = self._start + timedelta(seconds=begins, days=self._chance.choice(_DAYS))
        opening = day.replace(hour=8, minute=0, second=0, microsecond=0)
        return int(opening.timestamp()) + 60 * self._chance.randrange(480)
