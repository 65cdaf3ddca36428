from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.outcome import Outcome
from crawler.scheduling import intervals
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
seconds = st.floats(1, 86400)


@in_turn(
    "own, plans, expected",
    [(30, [], 6 * 3600), (30, [120], 30), (120, [120, 30], 30), (120, [60], 60), (20, [120], 20)],
)
def test_the_faster_of_tier_and_plans_is_wished_and_the_heartbeat_where_nobody_waits(
    own: float, plans: list[float], expected: float
) -> None:
    assert intervals.wished_interval(own, plans, 6 * 3600) == expected


@given(
    st.dictionaries(st.text(), st.tuples(seconds, st.integers(1, 24)), min_size=1),
    st.floats(1, 60),
)
def test_the_shares_of_a_host_use_its_budget_and_no_more(
    wishes: dict[str, tuple[float, int]], budget: float
) -> None:
    wished = {desk: interval for desk, (interval, _) in wishes.items()}
    costs = {desk: cost for desk, (_, cost) in wishes.items()}
    shares = intervals.share_budget({"another host's": 1.0, **wished}, costs, budget)
    assert sum(cost / shares[desk] for desk, cost in costs.items()) * 60 == pytest.approx(budget)
    assert {desk: shares[desk] / wished[desk] for desk in wished} == pytest.approx(
        dict.fromkeys(wished, next(iter(shares.values())) / next(iter(wished.values())))
    )


@pytest.mark.rule("4.6")
def test_first_times_are_spread() -> None:
    minutes = {intervals.first_due(f"desk/{number}", 600, NOW).minute for number in range(200)}
    assert minutes == set(range(10))


@pytest.mark.rule("4.8")
@in_turn(
    "outcome, inconclusive, expected",
    [
        (Outcome.SLOTS, 0, 60),
        (Outcome.NO_SLOTS, 0, 60),
        (Outcome.CAPTCHA, 0, 900),
        (Outcome.CAPTCHA, 1, 900),
        (Outcome.CAPTCHA, 9, 1920),
        (Outcome.BLOCKED, 1, 60),
        (Outcome.BLOCKED, 6, 240),
        (Outcome.RATE_LIMITED, 0, 60),
        (Outcome.RATE_LIMITED, 40, 60),
        (Outcome.OVERLOADED, 0, 120),
        (Outcome.OVERLOADED, 40, 120),
        (Outcome.MAINTENANCE, 0, 300),
        (Outcome.MAINTENANCE, 40, 300),
        (Outcome.CLOSED, 0, 86400),
        (Outcome.UNREACHABLE, 1, 90),
        (Outcome.UNREACHABLE, 4, 90),
        (Outcome.UNREADABLE, 1, 60),
        (Outcome.UNREADABLE, 2, 120),
        (Outcome.UNREACHABLE, 5, 120),
        (Outcome.UNREACHABLE, 6, 240),
        (Outcome.UNREADABLE, 1000, 3600),
    ],
)
def test_how_long_a_desk_waits(outcome: Outcome, inconclusive: int, expected: float) -> None:
    assert intervals.next_wait(outcome, 60, inconclusive) == expected


@in_turn("outcome", list(Outcome))
def test_a_slow_desk_is_asked_no_more_often_for_being_in_trouble(outcome: Outcome) -> None:
    assert intervals.next_wait(outcome, 7 * 86400, 9) >= 7 * 86400


@given(st.sampled_from(Outcome), st.integers(0, 10_000), seconds, st.floats(0, 3600), st.floats(0, 1))
def test_a_desk_is_never_due_in_the_past_nor_before_its_interval(
    outcome: Outcome, inconclusive: int, interval: float, took: float, lot: float
) -> None:
    now = NOW + timedelta(seconds=took)
    decided = intervals.next_due(
        outcome, started_at=NOW, now=now, interval=interval, inconclusive=inconclusive, lot=lot
    )
    assert decided >= now
    assert decided >= NOW + timedelta(seconds=interval)


@in_turn("ahead, expected", [(-1, 60), (0, 60), (20, 20), (59.5, 59.5), (3600, 60)])
def test_a_desk_is_due_at_the_release_that_its_page_names_too(ahead: float, expected: float) -> None:
    due = intervals.next_due(
        Outcome.NO_SLOTS,
        started_at=NOW,
        now=NOW,
        interval=60,
        inconclusive=0,
        releases_at=NOW + timedelta(seconds=ahead),
    )
    assert due == NOW + timedelta(seconds=expected)
