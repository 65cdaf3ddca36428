"""Periods: every one positive, in seconds, and set by a variable of its own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from annotated_types import Ge

from configs.settings import load
from configs.settings.durations import Periods

Put = Callable[..., None]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("7d", timedelta(days=7)),
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("45s", timedelta(seconds=45)),
        ("604800", timedelta(days=7)),
    ],
)
def test_a_span_is_a_number_with_its_unit(bare: Put, written: str, read_as: timedelta) -> None:
    bare(JWT_EXPIRES_IN=written)
    assert load().jwt_expires_in == read_as


@pytest.mark.parametrize("name", sorted(Periods.model_fields))
def test_each_period_is_a_variable(bare: Put, name: str) -> None:
    bounds = Periods.model_fields[name].metadata
    least: Any = next((each.ge for each in bounds if isinstance(each, Ge)), 2)
    written = f"{least.total_seconds():.0f}" if isinstance(least, timedelta) else str(least)
    bare(**{name.upper(): written})
    value = getattr(load(), name)
    assert value in (least, (least,), timedelta(seconds=2))
