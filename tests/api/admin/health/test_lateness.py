"""Lateness of the last hour, from its checks."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from api.admin.health.desks import read_lateness
from api.models.check import Check
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.api.admin.health.conftest import FIRST, SECOND
from tests.factories import save_all

World = Callable[..., None]


def checked(desk: str, *ages: float, outcome: Outcome = Outcome.NO_SLOTS) -> None:
    """Write checks that began so many seconds ago."""
    common: dict[str, Any] = {
        "outcome": outcome, "evidence": "x", "milliseconds": 9, "requests": 1, "slots_seen": 0, "covered": [],
        "process": "test",
    }  # fmt: skip
    save_all(Check(desk_id=desk, started_at=clock() - timedelta(seconds=age), **common) for age in ages)


def test_what_lies_between_checks_is_compared_with_what_was_planned(world: World) -> None:
    world(FIRST)  # wished every 60 s
    world(SECOND, share_seconds=120.0)
    checked(FIRST, 300, 240, 180)
    checked(SECOND, 330, 200, 20)
    found = read_lateness()
    assert found
    assert (found["gaps"], found["desks"], round(found["ratio"], 2)) == (4, 2, 1.58)
    assert (round(found["p50_seconds"], 1), round(found["p95_seconds"], 1)) == (5.0, 52.5)


def test_neither_a_rest_nor_what_is_older_than_an_hour_is_lateness(world: World) -> None:
    world(FIRST)
    checked(FIRST, 3700, 900)
    checked(FIRST, 840, outcome=Outcome.BLOCKED)
    checked(FIRST, 30)
    assert list((read_lateness() or {}).values()) == [1, 1, 1.0, 0.0, 0.0]
