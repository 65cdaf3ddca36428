from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.outcome import Outcome
from crawler import pace

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
seconds = st.floats(1, 86400)


def after(outcome: Outcome, inconclusive: int = 0, retry_after: float | None = None) -> pace.Next:
    return pace.after(
        outcome, started_at=NOW, now=NOW, interval=60, inconclusive=inconclusive, retry_after=retry_after
    )


def waited(decided: pace.Next) -> float:
    return (decided.due - NOW).total_seconds()


def test_a_desk_nobody_waits_for_gets_the_heartbeat() -> None:
    assert pace.wished(30, [], 6 * 3600) == 6 * 3600


def test_an_operator_may_ask_for_less_than_the_heartbeat() -> None:
    assert pace.wished(86400, [], 6 * 3600) == 86400


@pytest.mark.parametrize(
    ("own", "plans", "expected"), [(30, [120], 30), (120, [120, 30], 30), (120, [60], 60), (20, [120], 20)]
)
def test_the_faster_of_tier_and_plans_is_wished(own: float, plans: list[float], expected: float) -> None:
    assert pace.wished(own, plans, 6 * 3600) == expected


def test_a_host_with_room_lets_every_desk_have_its_wish() -> None:
    shares = pace.feasible({"a": pace.Wish(120, 3)}, budget=6)
    assert shares == {"a": 30}
    assert pace.effective(120, shares["a"], 1) == 120


@given(
    st.dictionaries(st.text(), st.builds(pace.Wish, seconds, st.integers(1, 24)), min_size=1),
    st.floats(1, 60),
)
def test_the_shares_of_a_host_use_its_budget_and_no_more(wishes: dict[str, pace.Wish], budget: float) -> None:
    shares = pace.feasible(wishes, budget)
    spent = sum(wish.cost / shares[desk] for desk, wish in wishes.items())
    assert spent * 60 == pytest.approx(budget)
    assert {desk: shares[desk] / wish.seconds for desk, wish in wishes.items()} == pytest.approx(
        dict.fromkeys(wishes, next(iter(shares.values())) / next(iter(wishes.values())).seconds)
    )


def test_the_slower_of_wished_and_feasible_is_effective() -> None:
    assert pace.effective(30, 90, 1) == 90
    assert pace.effective(None, None, 7) == 7


def test_only_stand_ins_are_asked_more_often_than_every_thirty_seconds() -> None:
    assert pace.gap(None) == 30
    assert pace.gap(300) == 30
    assert pace.gap(2) == 2


def test_a_visit_is_paid_by_leaving_its_host_alone() -> None:
    assert pace.floor(3, 6) == 30
    assert pace.floor(0, 6) == 0


@given(st.text(), seconds)
def test_first_times_lie_within_the_interval_and_stay_the_same(desk: str, interval: float) -> None:
    due = pace.first_due(desk, interval, NOW)
    assert NOW <= due <= NOW + timedelta(seconds=interval)
    assert due == pace.first_due(desk, interval, NOW)


def test_first_times_are_spread() -> None:
    minutes = {pace.first_due(f"desk/{number}", 600, NOW).minute for number in range(200)}
    assert minutes == set(range(10))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_what_counts_towards_the_pause(outcome: Outcome) -> None:
    counted = {Outcome.CAPTCHA, Outcome.BLOCKED, Outcome.UNREACHABLE, Outcome.UNREADABLE}
    expected = 0 if outcome.conclusive else 3 + (outcome in counted)
    assert pace.inconclusive(outcome, 3) == expected


@pytest.mark.parametrize(
    ("outcome", "inconclusive", "expected"),
    [
        (Outcome.SLOTS, 0, 60),
        (Outcome.NO_SLOTS, 0, 60),
        (Outcome.CAPTCHA, 1, 900),
        (Outcome.OVERLOADED, 0, 120),
        (Outcome.OVERLOADED, 40, 120),
        (Outcome.MAINTENANCE, 0, 300),
        (Outcome.CLOSED, 0, 86400),
        (Outcome.UNREACHABLE, 1, 90),
        (Outcome.UNREADABLE, 1, 60),
        (Outcome.UNREADABLE, 2, 120),
        (Outcome.UNREACHABLE, 5, 120),
        (Outcome.UNREACHABLE, 6, 240),
        (Outcome.UNREADABLE, 1000, 3600),
    ],
)
def test_how_long_a_desk_waits(outcome: Outcome, inconclusive: int, expected: float) -> None:
    assert waited(after(outcome, inconclusive)) == expected
    assert after(outcome, inconclusive).rest_until is None


@pytest.mark.parametrize(
    ("outcome", "retry_after", "expected"),
    [
        (Outcome.BLOCKED, None, 300),
        (Outcome.BLOCKED, 600, 600),
        (Outcome.BLOCKED, 1, 300),
        (Outcome.RATE_LIMITED, None, 60),
        (Outcome.RATE_LIMITED, 90, 90),
        (Outcome.RATE_LIMITED, 10**9, 7200),
    ],
)
def test_how_long_a_host_rests(outcome: Outcome, retry_after: float | None, expected: float) -> None:
    decided = after(outcome, 1, retry_after)
    assert decided.rest_until == NOW + timedelta(seconds=expected)
    assert decided.rest_reason
    assert decided.due >= decided.rest_until


@given(st.sampled_from(Outcome), st.integers(0, 10_000), seconds, st.floats(0, 3600))
def test_a_desk_is_never_due_in_the_past_nor_before_its_interval(
    outcome: Outcome, inconclusive: int, interval: float, took: float
) -> None:
    now = NOW + timedelta(seconds=took)
    decided = pace.after(outcome, started_at=NOW, now=now, interval=interval, inconclusive=inconclusive)
    assert decided.due >= now
    assert decided.due >= NOW + timedelta(seconds=interval)
