"""The heat map of a desk: the hours of the week in which its slots opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import get_day_names
from babel.numbers import format_decimal

from api.outlook.schemas import HeatCell
from api.web.languages import read_language
from configs.ground.text import write_time

_LEVELS = 4
_BUSIEST = 3
_AXIS = (0, 6, 12, 18)


@dataclass(frozen=True, slots=True)
class _Words:
    """Names of weekdays, Monday first, and the 24 hours of a day, in one language."""

    days: list[str]
    hours: list[str]


def build_heat_map(cells: Iterable[HeatCell]) -> dict[str, Any] | None:
    """Return the heat map of a desk; None where no slots opened."""
    shown = sorted((cell for cell in cells if cell.openings), key=lambda cell: (cell.weekday, cell.hour))
    if not shown:
        return None
    locale = Locale(read_language())
    words = _list_words(locale)
    counts = {each: format_decimal(each, locale=locale) for each in {cell.openings for cell in shown}}
    by_day: dict[str, list[str]] = {}
    for cell in shown:
        hour = f"{words.hours[cell.hour]} ({counts[cell.openings]})"
        by_day.setdefault(words.days[cell.weekday - 1], []).append(hour)
    return {
        "paths": _draw(shown),  # one for each level, 1 to 4
        "days": [get_day_names("abbreviated", locale=locale)[index] for index in range(7)],
        "axis": [words.hours[hour] for hour in _AXIS],
        # Hours of the week with the most openings, in the page's language
        "busiest": [
            _describe(cell, words) for cell in sorted(shown, key=lambda cell: -cell.openings)[:_BUSIEST]
        ],
        "by_day": by_day,  # all hours with openings: `10:00 (3)`
    }


def _draw(cells: list[HeatCell]) -> dict[int, str]:
    most = max(cell.openings for cell in cells)
    paths: dict[int, str] = {}
    for cell in cells:
        level = -(-_LEVELS * cell.openings // most)
        paths[level] = paths.get(level, "") + f"M{cell.hour} {cell.weekday - 1}h1v1h-1z"
    return dict(sorted(paths.items()))


def _describe(cell: HeatCell, words: _Words) -> dict[str, Any]:
    return {
        "weekday": words.days[cell.weekday - 1],
        "begins": words.hours[cell.hour],
        "ends": words.hours[(cell.hour + 1) % 24],
        "openings": cell.openings,
    }


@lru_cache(maxsize=8)
def _list_words(locale: Locale) -> _Words:
    """Return names of weekdays and hours: a page of many desks has thousands of them, and Babel takes its time."""
    names = get_day_names("wide", locale=locale)
    hours = [write_time(time(hour), "short", locale=locale) for hour in range(24)]
    return _Words([names[index] for index in range(7)], hours)
