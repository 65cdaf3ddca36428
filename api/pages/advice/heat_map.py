"""Heat map of a desk: in which hours of the week slots opened, as paths of an SVG of 24 by 7, and in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time

from babel import Locale
from babel.dates import format_time, get_day_names
from flask_babel import get_locale

from api.outlook.schemas import HeatCell

_LEVELS = 4
_BUSIEST = 3
_AXIS = (0, 6, 12, 18)


@dataclass(frozen=True, slots=True)
class BusyHour:
    """An hour of the week with openings, in the page's language."""

    weekday: str
    begins: str
    ends: str
    openings: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """What the template draws: a path for each level (1 to 4), names of days, hours of the axis, the busiest hours."""

    paths: dict[int, str]
    days: list[str]
    axis: list[str]
    busiest: list[BusyHour]
    by_day: dict[str, list[BusyHour]]


def build_heat_map(cells: Iterable[HeatCell]) -> HeatMap | None:
    """Return the heat map of a desk; None where no slots opened."""
    shown = sorted((cell for cell in cells if cell.openings), key=lambda cell: (cell.weekday, cell.hour))
    if not shown:
        return None
    by_day: dict[str, list[BusyHour]] = {}
    for cell in shown:
        hour = _describe(cell)
        by_day.setdefault(hour.weekday, []).append(hour)
    return HeatMap(
        paths=_draw(shown),
        days=[get_day_names("abbreviated", locale=_locale())[index] for index in range(7)],
        axis=[_write_hour(hour) for hour in _AXIS],
        busiest=[_describe(cell) for cell in sorted(shown, key=lambda cell: -cell.openings)[:_BUSIEST]],
        by_day=by_day,
    )


def _draw(cells: list[HeatCell]) -> dict[int, str]:
    most = max(cell.openings for cell in cells)
    paths: dict[int, str] = {}
    for cell in cells:
        level = -(-_LEVELS * cell.openings // most)
        paths[level] = paths.get(level, "") + f"M{cell.hour} {cell.weekday - 1}h1v1h-1z"
    return dict(sorted(paths.items()))


def _describe(cell: HeatCell) -> BusyHour:
    weekday = get_day_names("wide", locale=_locale())[cell.weekday - 1]
    return BusyHour(weekday, _write_hour(cell.hour), _write_hour((cell.hour + 1) % 24), cell.openings)


def _write_hour(hour: int) -> str:
    return format_time(time(hour), "short", locale=_locale())


def _locale() -> Locale:
    return get_locale() or Locale("fr")
