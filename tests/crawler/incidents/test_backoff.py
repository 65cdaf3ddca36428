from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from api.models.check import Check
from api.models.desk import DeskState, DeskStatus, HostState, Outage
from configs.world.desk import Desk, Outcome
from crawler.incidents.backoff import after_refusal, after_success
from crawler.recording import check_transaction
from tests.crawler.checks import HOST, NOW, check, recorded, slot
from tests.factories import get, rows
from tests.in_turn import in_turn

HOUR = timedelta(hours=1)


def host(rests: int = 0, share: float = 1.0, **values: Any) -> HostState:
    return HostState(rests_in_a_row=rests, budget_share=share, **values)


def refused(state: HostState, outcome: Outcome, now: datetime = NOW, **how: float) -> HostState:
    after_refusal(state, outcome, started_at=now, now=now, **how)
    return state


def rest_of(state: HostState, now: datetime = NOW) -> float:
    assert state.rests_until
    return (state.rests_until - now).total_seconds()


def row(outcome: Outcome, times: int, **how: float) -> list[float]:
    """Return how long each rest of a row is, the next beginning as soon as the last is over."""
    state, now, found = host(), NOW, []
    for _ in range(times):
        found.append(rest_of(refused(state, outcome, now, **how), now))
        now = state.rests_until or now
    return found


@pytest.mark.rule("3.9")
def test_blocks_rest_from_five_minutes_doubling_to_two_hours() -> None:
    assert row(Outcome.BLOCKED, 7) == [300, 600, 1200, 2400, 4800, 7200, 7200]


def test_a_rate_limit_without_a_time_doubles_too() -> None:
    assert row(Outcome.RATE_LIMITED, 9) == [60, 120, 240, 480, 960, 1920, 3840, 7200, 7200]


@pytest.mark.rule("3.9")
@in_turn(
    "outcome, retry_after, expected",
    [
        (Outcome.BLOCKED, 600, 600),
        (Outcome.BLOCKED, 1, 300),
        (Outcome.RATE_LIMITED, 10, 10),
        (Outcome.RATE_LIMITED, 10_000, 10_000),
        (Outcome.RATE_LIMITED, 10**9, 86400),
        (Outcome.RATE_LIMITED, float("inf"), 86400),
        (Outcome.RATE_LIMITED, float("nan"), 60),
        (Outcome.RATE_LIMITED, -5, 60),
    ],
)
def test_retry_after_is_obeyed(outcome: Outcome, retry_after: float, expected: float) -> None:
    assert rest_of(refused(host(), outcome, retry_after=retry_after)) == expected


@given(st.sampled_from([Outcome.BLOCKED, Outcome.RATE_LIMITED]), st.integers(0, 10_000), st.floats(0, 1))
def test_a_rest_is_longer_by_lot_and_never_shorter(outcome: Outcome, before: int, lot: float) -> None:
    plain = rest_of(refused(host(before), outcome))
    assert plain <= rest_of(refused(host(before), outcome, lot=lot)) <= plain * 1.1 + 1e-5


def test_a_check_that_began_before_the_rest_met_what_began_it() -> None:
    state = refused(host(), Outcome.RATE_LIMITED, retry_after=300)
    until = state.rests_until
    after_refusal(
        state, Outcome.RATE_LIMITED, started_at=NOW - timedelta(seconds=3), now=NOW + timedelta(seconds=9)
    )
    assert (state.rests_in_a_row, state.budget_share, state.rests_until) == (1, 0.5, until)


def test_a_rate_limit_halves_the_budget_down_to_a_sixteenth_and_a_block_leaves_it() -> None:
    state, days = host(), [NOW + timedelta(days=day) for day in range(6)]
    shares = [refused(state, Outcome.RATE_LIMITED, day).budget_share for day in days]
    assert shares == [0.5, 0.25, 0.125, 0.0625, 0.0625, 0.0625]
    assert refused(state, Outcome.BLOCKED, NOW + timedelta(days=9)).budget_share == 0.0625


def test_a_block_after_good_answers_halves_the_budget_for_it_was_our_pace() -> None:
    state = refused(host(), Outcome.BLOCKED)
    until = state.rests_until
    assert until
    assert state.budget_share == 1
    assert refused(host(1, rests_until=until), Outcome.BLOCKED, until).budget_share == 1
    after_success(state, until + HOUR / 60)
    refused(state, Outcome.BLOCKED, until + HOUR / 30)
    assert (state.budget_share, state.rests_in_a_row, state.calm_since) == (0.5, 2, None)


def test_a_budget_grows_back_by_an_eighth_for_each_calm_hour_and_half_of_the_rests_are_forgotten() -> None:
    state, seen = host(5, 0.5, rests_until=NOW), []
    for hour in range(6):
        after_success(state, NOW + timedelta(seconds=1) + hour * HOUR)
        seen.append((state.rests_in_a_row, state.budget_share))
    assert seen == [(5, 0.5), (2, 0.625), (1, 0.75), (0, 0.875), (0, 1.0), (0, 1.0)]


@given(st.integers(0, 20), st.floats(0.05, 1), st.timedeltas(-400 * HOUR, 400 * HOUR))
def test_an_answer_of_any_age_forgets_no_more_than_the_time_since_it_was_calm(
    rests: int, share: float, later: timedelta
) -> None:
    state = host(rests, share, calm_since=NOW)
    after_success(state, NOW + later)
    assert (state.calm_since or NOW) >= NOW
    assert 0 <= state.rests_in_a_row <= rests
    assert share <= state.budget_share <= 1
    if later < HOUR:
        assert (state.rests_in_a_row, state.budget_share, state.calm_since) == (rests, share, NOW)


# A plain 403: one page, or the whole host.


MINUTE = timedelta(minutes=1)


@pytest.fixture
def four_desks(planned_desks: Callable[..., dict[str, Desk]]) -> dict[str, Desk]:
    """Four desks with their rows: a, b and c on one host."""
    return planned_desks(a=HOST, b=HOST, c=HOST, d="127.77.0.92:8800")


def end(minute: float, *ends: tuple[str, Outcome | None]) -> None:
    """Let checks end at that minute, as one batch; None: a plain 403."""
    at = NOW + minute * MINUTE
    refused = {"outcome": Outcome.BLOCKED, "reason": "HTTP 403", "refused": True}
    with time_machine.travel(at, tick=False):
        check_transaction.record_checks([
            check(desk, int(60 * minute) + 1, started_at=at, **({"outcome": outcome} if outcome else refused))
            for desk, outcome in ends
        ])  # fmt: skip


def last(desk: str) -> Outcome:
    found: Check = rows(Check, Check.desk_id == f"evry_91/{desk}")[-1]
    return found.outcome


def state(desk: str) -> DeskState:
    return get(DeskState, f"evry_91/{desk}")


def rests() -> bool:
    return any(host.rests_until for host in rows(HostState))


@pytest.mark.usefixtures("four_desks")
@pytest.mark.parametrize(
    ("before", "minute", "ends", "outcome"),
    [
        (Outcome.NO_SLOTS, 59, [("a", None)], Outcome.CLOSED),
        (Outcome.NO_SLOTS, 61, [("a", None)], Outcome.BLOCKED),
        (Outcome.NO_SLOTS, 1, [("a", Outcome.BLOCKED)], Outcome.BLOCKED),
        (Outcome.UNREACHABLE, 1, [("a", None), ("b", Outcome.NO_SLOTS)], Outcome.CLOSED),
    ],
    ids=["another page was read within the hour", "none was", "a wall of the host", "one in the same batch"],
)
def test_a_403_closes_its_page_where_another_was_just_read_and_else_the_host_rests(
    before: Outcome, minute: float, ends: list[tuple[str, Outcome | None]], outcome: Outcome
) -> None:
    end(0, ("b", before))
    end(minute, *ends)
    assert (last("a"), rests()) == (outcome, outcome is Outcome.BLOCKED)
    if outcome is Outcome.CLOSED:
        assert (state("a").status, state("a").refused_at) == (DeskStatus.ERROR, NOW + minute * MINUTE)


@pytest.mark.rule("3.9")
@pytest.mark.usefixtures("four_desks")
def test_a_host_that_begins_to_refuse_everything_closes_one_page_and_no_more() -> None:
    end(0, ("a", Outcome.NO_SLOTS), ("b", Outcome.NO_SLOTS), ("c", Outcome.NO_SLOTS))
    end(1, ("a", None))
    assert last("a") is Outcome.CLOSED
    end(2, ("b", None))
    assert (last("b"), rests()) == (Outcome.BLOCKED, True)


@pytest.mark.rule("3.9")
@pytest.mark.usefixtures("four_desks")
def test_a_refusal_behind_slots_that_were_seen_closes_no_page_and_is_obeyed() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    recorded(NOW + MINUTE, "a", 61, slot(), refused=True, trouble=Outcome.BLOCKED)
    assert (last("a"), state("a").status, rests()) == (Outcome.SLOTS, DeskStatus.ACTIVE, False)
    recorded(NOW + 2 * MINUTE, "c", 61, slot(), trouble=Outcome.RATE_LIMITED, retry_after=600)
    assert (last("c"), rests()) == (Outcome.SLOTS, True)


@pytest.mark.usefixtures("four_desks")
def test_a_block_opens_again_what_it_closed_shortly_before() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(1, ("a", None))
    end(2, ("b", None))
    assert (state("a").status, state("a").last_outcome) == (DeskStatus.PAUSED, Outcome.BLOCKED)
    assert state("a").check_requested_at == NOW + 2 * MINUTE
    assert [each.reason.value for each in rows(Outage, Outage.desk_id == "evry_91/a")] == [
        "closed",
        "blocked",
    ]


@pytest.mark.usefixtures("four_desks")
def test_a_page_that_is_really_closed_stays_closed_when_its_host_blocks_later() -> None:
    end(0, ("b", Outcome.NO_SLOTS))
    end(1, ("a", None))
    end(2, ("b", Outcome.NO_SLOTS))
    end(3, ("c", Outcome.BLOCKED))
    assert (state("a").status, state("a").last_outcome) == (DeskStatus.ERROR, Outcome.CLOSED)
