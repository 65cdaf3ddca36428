"""Cases that `make test` tries, of a list that `make journeys` tries whole."""

from collections.abc import Iterable
from typing import Any

import pytest


def try_first(cases: Iterable[Any], most: int) -> list[Any]:
    """Return the cases as parameters; those after the first `most` are journeys."""
    listed = list(cases)
    return [*listed[:most], *(pytest.param(each, marks=pytest.mark.journey) for each in listed[most:])]
