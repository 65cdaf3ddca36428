"""Lines of the status page: a text with its tone, its detail and its address."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from configs.clock import clock
from configs.formatting import format_duration

GOOD, WARN, BAD = "good", "warn", "bad"  # tones, as of badges
_SHOWN = 6  # lines of a list that may be long


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `detail` is what a program wrote, in English; `url` leads to the thing."""

    text: str
    tone: str = ""
    detail: str = ""
    url: str | None = None


def cut(lines: list[Line]) -> list[Line]:
    """Return the first lines of a list, and how many more there are."""
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], Line(f"et {more} de plus")] if more > 0 else lines


def write_seconds(seconds: float) -> str:
    """Return a length of time in one unit: `1,5 s`, `3 j`."""
    return format_duration(timedelta(seconds=max(seconds, 0.0))).replace(" d", " j").replace(".", ",")


def write_decimal(value: float, digits: int = 1) -> str:
    """Return a number with a comma: `4,5`."""
    return f"{value:.{digits}f}".replace(".", ",")


def write_since(moment: datetime) -> str:
    """Return for how long something lasts."""
    return write_seconds((clock() - moment).total_seconds())
