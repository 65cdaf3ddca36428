"""Metrics of a simulation."""

import pytest

from deploy.simulation.measured import DeskFigures
from deploy.simulation.metrics import percentile
from deploy.simulation.releases import Hour, SimulatedRelease

UNTIL = 3600.0


def release(begins: float, ends: float) -> SimulatedRelease:
    return SimulatedRelease((Hour(1, int(begins), begins, ends),))


def delays(seen: list[float], *releases: SimulatedRelease) -> list[float | None]:
    desk = DeskFigures(
        "host",
        paid=True,
        wished=60,
        share=90,
        feasible=120,
        achieved=None,
        checks=0,
        releases=releases,
        seen=seen,
    )
    return list(desk.delays(UNTIL))


def test_a_delay_is_to_the_first_detection_before_the_next_release() -> None:
    assert delays([130, 140, 1010], release(100, 200), release(1000, 1100)) == [30, 10]


def test_what_was_gone_before_anybody_saw_it_is_counted() -> None:
    assert delays([1010], release(100, 200), release(1000, 1100)) == [None, 10]


def test_what_the_end_cut_off_is_not() -> None:
    assert delays([], release(3500, 3700)) == []
    assert delays([3550], release(3500, 3700)) == [50]


@pytest.mark.parametrize(("share", "value"), [(0, 1), (0.5, 51), (0.95, 96), (1, 100)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile(range(1, 101), share) == value
    assert percentile([], share) is None
