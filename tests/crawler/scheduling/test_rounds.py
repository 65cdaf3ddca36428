"""Rounds of departments: how long they take beside each other, and which of them may be watched."""

from collections.abc import Collection

import pytest

from configs.world.check_intervals import ROUND_SECONDS
from crawler.scheduling.intervals import plan_rounds

HEARTBEAT = 21_600.0
COST, BUDGET = 6.0, 6.0  # a visit uses a minute's budget


def plan(
    visits: dict[str, int], waited_for: Collection[str] = (), watched: Collection[str] = ()
) -> tuple[set[str], dict[str, float]]:
    """Return which desks are watched, and the rounds in minutes; any desk of no department is `page`."""
    wished = dict.fromkeys(visits, HEARTBEAT) | {"page": HEARTBEAT}
    found, rounds = plan_rounds(
        visits, fast=dict.fromkeys(visits, 30.0), wished=wished, waited_for=waited_for, watched=watched,
        costs=dict.fromkeys(wished, COST), budget=BUDGET,
    )  # fmt: skip
    assert found["page"] == HEARTBEAT
    return {desk for desk in visits if found[desk] < HEARTBEAT}, {
        desk: round(seconds / 60, 1) for desk, seconds in rounds.items()
    }


def test_a_round_is_all_its_visits_at_what_the_budget_allows() -> None:
    assert plan({"a": 10}, {"a"}) == ({"a"}, {"a": 10.0})


def test_what_nobody_waits_for_is_told_by_the_round_that_it_would_have_beside_those_watched() -> None:
    watched, rounds = plan({"a": 10, "b": 3, "c": 10}, {"a"})
    assert (watched, rounds["a"]) == ({"a"}, 10.0)
    assert rounds["b"] == rounds["c"] == pytest.approx(20, abs=0.2)  # that of `a` would become as long


def test_a_department_is_watched_only_while_no_round_becomes_too_long_by_it() -> None:
    watched, rounds = plan({"a": 7, "b": 7, "c": 7}, {"a", "b", "c"})
    assert watched == {"a", "b"}
    assert max(rounds["a"], rounds["b"]) * 60 <= ROUND_SECONDS < rounds["c"] * 60


def test_those_that_were_watched_stay_and_come_first() -> None:
    assert plan({"a": 7, "b": 7, "c": 7}, {"a", "b", "c"}, {"b", "c"})[0] == {"b", "c"}
    assert plan({"a": 20, "b": 7}, {"a", "b"}, {"a"})[0] == {"a"}


def test_one_that_nobody_waits_for_any_more_gives_its_place_back() -> None:
    assert plan({"a": 10, "b": 10}, {"b"}, {"a"}) == ({"b"}, {"a": 20.0, "b": 10.0})
