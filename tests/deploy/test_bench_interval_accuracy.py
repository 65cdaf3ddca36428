"""Accuracy of intervals against what hosts allow, on invented checks."""

import pytest

from configs.desk import Desk, WatchLevel
from configs.outcome import Outcome
from deploy.bench.interval_accuracy import CheckTimes, judge_intervals, late
from tests.crawler.held import make_desk

ONE = make_desk("https://a.example/booking/create/1", slug="one")  # six requests a minute
OTHER = make_desk("https://a.example/booking/create/2", slug="other")
WISHED = {ONE.id: 30.0, OTHER.id: 30.0}


def check(desk: Desk, at: float, requests: int = 3, outcome: Outcome = Outcome.NO_SLOTS) -> CheckTimes:
    return CheckTimes(desk, at, 0.5, requests, outcome)


def ratios(*found: CheckTimes, desks: tuple[Desk, ...] = (ONE, OTHER), end: float = 0) -> dict[str, float]:
    return {each.desk.slug: each.ratio for each in judge_intervals(desks, found, WISHED, 60, end)}


def test_desks_of_a_host_share_what_their_visits_take() -> None:
    found = [check(desk, at) for at in (0, 60, 120) for desk in (ONE, OTHER)]
    assert ratios(*found) == {"one": 1, "other": 1}
    assert ratios(*found[::2], desks=(ONE,)) == {"one": 2}


def test_an_interval_is_as_long_as_the_visit_before_it_took() -> None:
    dear_at_last = check(ONE, 30, requests=6)
    assert ratios(check(ONE, 0), dear_at_last, desks=(ONE,)) == {"one": 1}
    assert ratios(check(ONE, 0, requests=6), check(ONE, 60), desks=(ONE,)) == {"one": 1}


def test_a_desk_that_was_asked_once_is_judged_where_it_should_have_been_again() -> None:
    assert ratios(check(ONE, 0), desks=(ONE,), end=29) == {}
    assert ratios(check(ONE, 0), desks=(ONE,), end=45) == {"one": 1.5}
    assert ratios(check(ONE, 0), check(ONE, 60), end=180)["other"] == 3


def test_a_captcha_that_always_stands_there_is_what_a_well_site_answers() -> None:
    behind = make_desk(watch=WatchLevel.PRESENCE)
    outcomes = [
        (behind, Outcome.CAPTCHA),
        (ONE, Outcome.CAPTCHA),
        (ONE, Outcome.SLOTS),
        (behind, Outcome.SLOTS),
    ]
    assert [check(desk, 0, outcome=outcome).odd for desk, outcome in outcomes] == [False, True, False, True]


def test_nobody_is_late_while_the_host_rests() -> None:
    found = [check(ONE, 0), check(OTHER, 30.25)]  # three requests: the host rests for half a minute
    coming = [(ONE.id, -2.0, 0.0), (OTHER.id, 10.0, 30.25)]
    assert list(late(found, coming)) == pytest.approx([2000, 250])
