"""Periods: every one positive, in seconds, and set by a variable of its own."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from annotated_types import Ge

from configs.durations import Periods
from configs.settings import SettingsRefused, load

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


def test_waits_are_seconds_with_commas_between(bare: Put) -> None:
    bare(UNKNOWN_RETRY_SECONDS="1, 2.5,30")
    assert load().unknown_retry_seconds == (1, 2.5, 30)


@pytest.mark.parametrize("written", ["1,,2", "0", "soon", ","])
def test_waits_that_are_none_are_refused(bare: Put, written: str) -> None:
    bare(UNKNOWN_RETRY_SECONDS=written)
    with pytest.raises(SettingsRefused, match="UNKNOWN_RETRY_SECONDS"):
        load()


def test_a_lease_outlives_the_wait_for_a_provider() -> None:
    # otherwise a second worker would send what the first still waits for
    assert Periods().lease_seconds > Periods().provider_timeout_seconds


def test_a_seat_is_renewed_before_it_is_lost() -> None:
    assert Periods().seat_renew_seconds * 2 < Periods().seat_seconds
