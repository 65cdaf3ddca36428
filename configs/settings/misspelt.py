"""Misspelt settings: variables of the environment that look like a setting and are none."""

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

_ALIKE = 0.85  # of 1; one exchanged pair of letters in seven is more
_SHORTEST = 6  # letters; below, words of others are alike by chance


def describe_misspelt(settings: Iterable[str]) -> Iterator[str]:
    """Return a line for each such variable; `settings` are their names in any case."""
    known = {name.upper() for name in settings}
    for name in sorted({name.upper() for name in os.environ} - known):
        if len(name) >= _SHORTEST and (close := get_close_matches(name, known, 1, _ALIKE)):
            yield f"{name} is no setting and has no effect: is {close[0]} meant?"
