"""Formatting of numbers, durations and plurals in texts that people read."""

import re
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))

# Control characters (C0, C1), separators of lines, what turns the direction of writing, lone surrogates: a terminal
# obeys them, and no text column takes all of them.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def format_duration(time: timedelta) -> str:
    """Return a length of time in one unit, the largest of which two are in it: `90 s`, `2 min`, `47 h`, `3 d`."""
    seconds = time.total_seconds()
    for unit, name in _UNITS:
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"  # noqa: PLR2004


def truncate_line(text: str, longest: int) -> str:
    """Return a text as one line of what can be printed, cut where it is longer than so many characters."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= longest else f"{line[:longest].rstrip()}…"


def pluralize(number: int, what: str) -> str:
    """Return `1 slot`, `2 slots`."""
    return f"{number:,} {what if number == 1 else what + 's'}"


def suggest_names(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X? those that exist: X, Y` for a name that is none of these."""
    names = [str(each) for each in known]
    close = get_close_matches(name, names, n=1)
    return "".join(f"did you mean {each}? " for each in close) + list_names(names)


def list_names(names: Iterable[str]) -> str:
    """Return `those that exist: X, Y`."""
    return f"those that exist: {', '.join(names) or 'none'}"
