"""Releases of simulated desks."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from deploy.simulation.releases import LIFE, PARIS, Pattern, SimulatedRelease, releases

START = datetime(2026, 3, 2, 21, tzinfo=UTC)
DAYS = 3


def made(pattern: Pattern, seed: int = 1) -> list[SimulatedRelease]:
    return releases(pattern, (7, 8), START, DAYS * 86400, random.Random(seed))


@pytest.mark.parametrize("pattern", ["bursts", "nightly", "both", "often"])
def test_hours_are_released_in_order_and_each_once(pattern: Pattern) -> None:
    found = made(pattern)
    assert found == made(pattern)
    assert [each.begins for each in found] == sorted(each.begins for each in found)
    hours = [(hour.planning, hour.unix) for each in found for hour in each.hours]
    assert len(set(hours)) == len(hours)
    for each in found:
        for hour in each.hours:
            assert each.begins == hour.begins < hour.ends <= each.ends
            assert hour.unix > (START + timedelta(seconds=hour.ends)).timestamp()


def test_bursts_live_short() -> None:
    assert all(LIFE[0] <= each.ends - each.begins <= LIFE[1] for each in made("bursts"))
    assert len(made("bursts")) > DAYS


def test_a_batch_comes_each_midnight_of_paris() -> None:
    nights = [(START + timedelta(seconds=each.begins)).astimezone(PARIS) for each in made("nightly")]
    assert [(night.day, night.hour, night.minute) for night in nights] == [(3, 0, 0), (4, 0, 0), (5, 0, 0)]


def test_another_seed_is_another_world() -> None:
    assert made("bursts", 1) != made("bursts", 2)
