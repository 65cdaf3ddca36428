"""Simulated time passes without waiting, and holds for the whole process while it lasts."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from configs.clock import clock
from deploy.simulation.virtual_time_loop import NothingLeft, simulate

START = datetime(2026, 3, 2, 21, tzinfo=UTC)
DAY = 86400


def test_a_day_takes_no_time_and_the_clock_tells_it() -> None:
    async def sleep() -> list[datetime]:
        told = [clock()]
        for _ in range(24):
            await asyncio.sleep(DAY / 24)
            told.append(clock())
        return told

    began = monotonic()
    assert simulate(sleep(), START) == [START + timedelta(hours=hour) for hour in range(25)]
    assert monotonic() - began < DAY / 100
    assert abs(clock() - datetime.now(UTC)) < timedelta(minutes=1)


def test_what_comes_first_happens_first() -> None:
    async def race() -> list[int]:
        order: list[int] = []

        async def after(seconds: int) -> None:
            await asyncio.sleep(seconds)
            order.append(seconds)

        await asyncio.gather(*map(after, (30, 10, 20)))
        return order

    assert simulate(race(), START) == [10, 20, 30]


def test_who_waits_for_nothing_is_told() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingLeft, match="no event is left"):
        simulate(wait(), START)


def test_the_clock_is_given_back_after_a_fault() -> None:
    async def fail() -> None:
        raise KeyError("here")

    with pytest.raises(KeyError):
        simulate(fail(), START)
    assert clock() > START + timedelta(days=30)
