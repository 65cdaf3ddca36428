"""Scaling of queues: what holds for any course of claims, clock and load, and cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from configs.settings import settings
from crawler.spider_processes.scaling import Bounds, ClaimCounts, Scaling, advance
from tests.fuzz import times

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
SLICE, UP, DOWN = 30, 4, 60  # seconds; slices of two minutes, of half an hour
QUEUES = ("custom", "prefenligne")


@dataclass(frozen=True)
class Look:
    """What a keeper finds: after so many seconds, so many new claims of each queue, so many of them late."""

    seconds: float
    claims: tuple[tuple[int, int], ...]
    free_core: bool = True


LATE, CALM = Look(SLICE, ((20, 2), (20, 0))), Look(SLICE, ((20, 1), (20, 0)))  # of the first queue


class Course:
    """A course of looks, with what came of each."""

    def __init__(self, least: int = 1, most: int = 3) -> None:
        self.bounds = dict.fromkeys(QUEUES, Bounds(least, most))
        self.now = NOW
        self.counts = dict.fromkeys(QUEUES, ClaimCounts())
        self.state = Scaling(NOW, self.counts)

    def look(self, look: Look, bounds: Bounds | None = None) -> Scaling:
        self.now += timedelta(seconds=look.seconds)
        for queue, (claims, late) in zip(QUEUES, look.claims, strict=True):
            had = self.counts[queue]
            self.counts = self.counts | {queue: ClaimCounts(had.all + claims, had.late + late)}
        if bounds:
            self.bounds = dict.fromkeys(QUEUES, bounds)
        self.state = advance(self.state, self.counts, self.bounds, self.now, lambda _: look.free_core)
        return self.state

    def pass_slices(self, *looks: Look) -> list[int]:
        """Return how many processes the first queue has after each look."""
        return [self.look(each).wished[QUEUES[0]] for each in looks]


claims = st.integers(0, 40).flatmap(lambda made: st.tuples(st.just(made), st.integers(0, made)))
looks = st.builds(
    Look,
    st.sampled_from([2, 15, SLICE, 31, 3600, -2, -3600]),
    st.tuples(st.sampled_from([(20, 5), (20, 0)]) | claims, st.sampled_from([(20, 5), (20, 0)]) | claims),
    st.sampled_from([True, True, True, False]),
)


@pytest.fixture
def _short(settings_env: Callable[..., None]) -> None:
    settings_env(SCALE_DOWN_SECONDS="150")


@pytest.mark.usefixtures("_short")
@examples(max_examples=times(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(looks, min_size=8, max_size=60), st.integers(1, 3), st.integers(0, 3))
def test_numbers_stay_in_their_bounds_and_change_after_slices_in_a_row_only(
    given_: Sequence[Look], least: int, more: int
) -> None:
    course = Course(least, least + more)
    slices: dict[str, list[bool]] = {queue: [] for queue in QUEUES}  # closed: was it late?
    grown_at = 0  # number of slices closed when one last grew
    begun = dict(course.counts)
    for each in given_:
        before, wished = course.state, course.state.wished or dict.fromkeys(QUEUES, least)
        after = course.look(each)
        if (
            after.since != before.since
            and each.seconds > 0
            and course.now - before.since >= timedelta(seconds=SLICE)
        ):
            for queue in QUEUES:
                made = course.counts[queue].all - begun[queue].all
                slices[queue].append(20 * (course.counts[queue].late - begun[queue].late) > made)
        if after.since != before.since:
            begun = dict(course.counts)
        assert all(least <= number <= least + more for number in after.wished.values())
        changed = {queue: after.wished[queue] - wished[queue] for queue in QUEUES}
        assert sum(change > 0 for change in changed.values()) <= 1
        for queue, change in changed.items():
            assert change in {-1, 0, 1}
            if change > 0:
                assert each.free_core
                assert len(slices[queue]) - grown_at >= UP
                assert all(slices[queue][-UP:])
                grown_at = len(slices[queue])
            if change < 0:
                assert len(slices[queue]) >= 5
                assert not any(slices[queue][-5:])


def test_two_minutes_of_late_checks_add_a_process_and_half_an_hour_without_takes_it_back() -> None:
    course = Course()
    assert course.pass_slices(*[LATE] * 8) == [1, 1, 1, 2, 2, 2, 2, 3]
    assert course.pass_slices(*[LATE] * 8) == [3] * 8
    assert course.pass_slices(*[CALM] * (2 * DOWN)) == [3] * (DOWN - 1) + [2] * DOWN + [1]
    assert course.pass_slices(*[CALM] * (2 * DOWN)) == [1] * 2 * DOWN


def test_the_periods_are_settings(settings_env: Callable[..., None]) -> None:
    assert (settings().scale_up_seconds, settings().scale_down_seconds) == (UP * SLICE, DOWN * SLICE)
    settings_env(SCALE_UP_SECONDS="8", SCALE_DOWN_SECONDS="5")
    late, calm = Look(2, LATE.claims), Look(2, CALM.claims)
    assert Course().pass_slices(*[late] * 4, *[calm] * 3) == [1, 1, 1, 2, 2, 2, 1]


def test_one_slice_in_time_begins_the_two_minutes_anew() -> None:
    assert Course().pass_slices(*[LATE, LATE, LATE, CALM] * 5) == [1] * 20


def test_without_a_free_core_it_waits_for_one() -> None:
    busy = Look(SLICE, LATE.claims, free_core=False)
    assert Course().pass_slices(*[busy] * 20, LATE) == [1] * 20 + [2]


def test_of_two_late_queues_one_grows_at_a_time() -> None:
    both = Look(SLICE, ((20, 9), (20, 9)))
    course = Course()
    found = [tuple(course.look(both).wished.values()) for _ in range(5 * UP)]
    assert found[UP - 1 :: UP] == [(2, 1), (2, 2), (3, 2), (3, 3), (3, 3)]


def test_a_step_of_the_clock_is_worth_one_slice_at_most() -> None:
    ahead, back = Look(86_400, LATE.claims), Look(-86_400, LATE.claims)
    assert Course().pass_slices(LATE, ahead, back, LATE) == [1, 1, 1, 1]
    grown = Course()
    grown.pass_slices(*[LATE] * UP)
    assert grown.pass_slices(Look(86_400, CALM.claims), Look(-86_400, CALM.claims), CALM) == [2, 2, 2]


def test_an_emptied_redis_is_no_lateness_and_takes_no_process_away() -> None:
    course = Course()
    course.pass_slices(*[LATE] * UP)
    course.counts = dict.fromkeys(QUEUES, ClaimCounts())
    assert course.pass_slices(CALM, CALM) == [2, 2]


def test_settings_that_change_bound_the_numbers_at_once() -> None:
    course = Course()
    course.pass_slices(*[LATE] * 2 * UP)
    assert course.look(Look(1, CALM.claims), Bounds(1, 2)).wished == {"custom": 2, "prefenligne": 1}
    assert course.look(Look(1, CALM.claims), Bounds(3, 4)).wished == {"custom": 3, "prefenligne": 3}
