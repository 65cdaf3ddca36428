"""Moments in JSON with undocumented fields: read only if they are unambiguous."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from crawler.parsing.json_models import moment_of, parse_local_datetime

_BEGINS = re.compile(r"(?i)date|day|(?:start|begin)\w*")  # keys that may hold a slot's moment
_ENDS = re.compile(r"(?i)end\w*")
_DATED = re.compile(r"\d{4}-\d\d-\d\d")
_FREE = re.compile(r"(?i)(?:is_?)?(?:available|free|open|bookable|enabled)(?:_?(?:slots?|count))?")


def holds(entry: Any) -> bool:
    """Tell whether an entry of a list of free days has any content.

    Entries with empty lists only, entries that are marked as not free, and entries with only a date have none.
    """
    if not isinstance(entry, dict) or _is_taken(entry):
        return False
    lists = [each for each in entry.values() if isinstance(each, list)]
    if lists:
        return any(each and not _is_taken(each) for inner in lists for each in inner)
    beside = [value for key, value in entry.items() if not _BEGINS.fullmatch(key)]
    return any(beside) if beside else bool(entry)


def moments_of(entry: Any, zone: ZoneInfo) -> list[date | None]:
    """Return an entry's instants (UTC), else its date, and None for moments that are ambiguous or unreadable."""
    found = list(_find_moments("", entry, zone)) if holds(entry) else []
    instants = [each for each in found if isinstance(each, datetime)]
    sure: list[date | None] = [*(instants or filter(None, found))]
    return sure if sure and None not in found else [*sure, None]


def sure_moment(value: Any, zone: ZoneInfo) -> date | None:
    """Return the meaning of a moment that holds for any reading of its offset; None if there is none.

    It is an instant (UTC) if the offset is the zone's and the time is no midnight. Otherwise it is the date, if the
    written clock has the same date as the zone's clock at that instant (without an offset: UTC).
    """
    written = _parse_as_written(value)
    if not isinstance(written, datetime):
        return written
    meant = (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(zone)
    if written.tzinfo and meant.utcoffset() == written.utcoffset() and meant.time() != time.min:
        return meant.astimezone(UTC)
    return meant.date() if meant.date() == written.date() else None


def _is_taken(node: Any) -> bool:
    """Tell whether an object is marked as not free."""
    return isinstance(node, dict) and any(
        _FREE.fullmatch(key) and value in (False, 0) for key, value in node.items()
    )


def _parse_as_written(value: Any) -> date | None:
    """Return a moment with its written offset: a date, a wall clock, or an instant."""
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
