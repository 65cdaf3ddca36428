"""Figures of `make bench`: the effort of a measurement, rounds of it, a measured figure, its goal, and the report of all.

The report is a table to the terminal, as docs/benchmarks.md has it, and .state/bench.json.
"""

import json
import operator
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from api.models.base import engine
from configs.ground.clock import clock
from configs.settings import settings

T = TypeVar("T")
Say = Callable[[str], None]
_ROUNDS = 3
_SENSES = {"≥": operator.ge, "≤": operator.le, "<": operator.lt}


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
class Figure:
    """One line of the table; its name carries the unit, its goal is a sense and a bound: `≥ 0.3`."""

    name: str
    value: float
    goal: str = ""

    @property
    def verdict(self) -> str:
        """Return whether the goal is met, nothing where there is none."""
        sense, _, bound = self.goal.partition(" ")
        return ("yes" if _SENSES[sense](self.value, float(bound)) else "no") if sense else ""

    @property
    def shown(self) -> str:
        """Return the value with as many digits as mean something."""
        return f"{self.value:.0f}" if abs(self.value) >= 100 else f"{self.value:.3g}"


Part = Callable[[Effort, Say], list[Figure]]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that so many percent of all do not exceed (of few, the 99th is the largest).

    Raises:
        IndexError: there are none.
    """
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def percentiles_ms(name: str, seconds: Sequence[float], goals: Mapping[int, str]) -> Iterator[Figure]:
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


Figures = Mapping[str, Sequence[Figure]]


def show(command: str, figures: Figures) -> None:
    """Print the table, in Markdown: each part with where it was taken."""
    told = describe_machine()
    where = f"{told['cores']} cores, {told['memory_gb']} GB, {told['python']}"
    said = f"`{command}`, {told['date'][:16].replace('T', ' ')} UTC: {where}"
    print("| figure | goal | measured | met |\n| --- | --- | --- | --- |")
    for title, part in figures.items():
        print(f"| **{title}** ({said}) | | | |")
        for each in part:
            print(f"| {each.name} | {each.goal} | {each.shown} | {each.verdict} |")


def keep(target: Path, command: str, figures: Figures) -> None:
    """Write all figures, with where they were taken, as JSON."""
    values = {figure.name: figure.value for part in figures.values() for figure in part}
    missed = [figure.name for part in figures.values() for figure in part if figure.verdict == "no"]
    target.parent.mkdir(parents=True, exist_ok=True)
    told = {"command": command, **describe_machine(), "figures": values, "missed": missed}
    target.write_text(json.dumps(told, indent=2, ensure_ascii=False), "utf-8")


def describe_machine() -> dict[str, Any]:
    """Return what figures depend on: when and where they were taken."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    of_system = " of the system" if sys.base_prefix == "/usr" else ""  # others may be slower builds
    return {
        "date": clock().isoformat(),
        "python": f"Python {platform.python_version()}{of_system}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": platform.platform(terse=True),
    }
