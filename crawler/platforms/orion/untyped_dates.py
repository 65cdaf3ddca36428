"""Moments in JSON whose fields nobody has named: read only where they can mean one thing."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from crawler.parsing.json_models import moment_of, parse_local_datetime

_BEGINS = re.compile(r"(?i)date|day|(?:start|begin)\w*")  # what a slot's moment may be called
_ENDS = re.compile(r"(?i)end\w*")
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_FREE = re.compile(r"(?i)(?:is_?)?(?:available|free|open|bookable|enabled)(?:_?(?:slots?|count))?")


def holds(entry: Any) -> bool:
    """Tell whether an entry of a list of free days holds anything.

    One whose lists are all empty does not, nor one that says it is not free, or has nothing at all beside its date.
    """
    if not isinstance(entry, dict) or _is_taken(entry):
        return False
    lists = [each for each in entry.values() if isinstance(each, list)]
    if lists:
        return any(each and not _is_taken(each) for inner in lists for each in inner)
    beside = [value for key, value in entry.items() if not _BEGINS.fullmatch(key)]
    return any(beside) if beside else bool(entry)


def moments_of(entry: Any, zone: ZoneInfo) -> list[date | None]:
    """Return an entry's instants (UTC), else its date; None beside them where there may be more, or nothing is sure."""
    found = list(_find_moments("", entry, zone)) if holds(entry) else []
    instants = [each for each in found if isinstance(each, datetime)]
    sure: list[date | None] = [*(instants or filter(None, found))]
    return sure if sure and None not in found else [*sure, None]


def sure_moment(value: Any, zone: ZoneInfo) -> date | None:
    """Return what a moment means however its writer thought of zones; None where that cannot be told.

    An instant (UTC) where its offset is the zone's own and it is no midnight; else the date alone, if it is the same
    day whether the clock that is written is the zone's or what it says (UTC, where it says nothing).
    """
    written = _parse_as_written(value)
    if not isinstance(written, datetime):
        return written
    meant = (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(zone)
    if written.tzinfo and meant.utcoffset() == written.utcoffset() and meant.time() != time.min:
        return meant.astimezone(UTC)
    return meant.date() if meant.date() == written.date() else None


def _is_taken(node: Any) -> bool:
    """Tell whether an object says of itself that it is not free."""
    return isinstance(node, dict) and any(
        _FREE.fullmatch(key) and value in (False, 0) for key, value in node.items()
    )


def _parse_as_written(value: Any) -> date | None:
    """Return a moment as its text says it, its offset kept: a date, a wall clock, an instant."""
    for read in (parse_local_datetime, moment_of):
        try:
            found = read(value)
        except ValueError:
            continue
        return datetime.fromisoformat(value) if isinstance(found, datetime) else found
    return None


def _find_moments(key: str, node: Any, zone: ZoneInfo) -> Iterator[date | None]:
    if _is_taken(node):
        yield None
    elif isinstance(node, dict):
        for inner, value in node.items():
            yield from _find_moments(inner, value, zone)
    elif isinstance(node, list):
        for each in node:
            yield from _find_moments(key, each, zone)
    elif _BEGINS.fullmatch(key):
        yield sure_moment(node, zone)
    elif isinstance(node, str) and _DATED.search(node) and not _ENDS.fullmatch(key):
        yield None
