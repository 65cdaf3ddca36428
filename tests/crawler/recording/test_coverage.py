import json
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from api.models.desk import DeskState
from configs.world.desk import Desk
from crawler.reading import CoveredWindow
from crawler.recording.coverage_tracking import (
    COVERAGE,
    EVERYWHERE,
    Coverage,
    ProvenWindow,
    covers_whole_desk,
    is_proven,
    update_coverage,
    whole_since,
)
from tests.crawler.checks import HOST, NOW, recorded
from tests.factories import add_desk, get
from tests.in_turn import in_turn

TODAY, LAST = date(2026, 11, 20), date(2027, 2, 18)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOW - timedelta(days=1)


def after(
    *visits: tuple[int, Collection[str], list[CoveredWindow]],
    before: Coverage | None = None,
    since: datetime = LONG_AGO,
) -> Coverage:
    """Return what is known after visits: minute, places known, what was covered."""
    coverage: Coverage = before or {}
    for minute, places, covered in visits:
        coverage = update_coverage(coverage, places, covered, at=NOW + minute * MINUTE, since=since)
    return coverage


def since(coverage: Coverage) -> int | None:
    found = whole_since(coverage, "ab", TODAY, LAST)
    return None if found is None else round((found - NOW) / MINUTE)


@in_turn(
    "covered, expected",
    [
        (CoveredWindow(), True),
        (CoveredWindow(None, TODAY, LAST), True),
        (CoveredWindow(None, TODAY, LAST - timedelta(days=1)), False),
        (CoveredWindow(None, TODAY + timedelta(days=1), None), False),
        (CoveredWindow("a"), False),
    ],
)
def test_one_answer_covers_all_of_a_desk_or_not(covered: CoveredWindow, expected: bool) -> None:
    assert covers_whole_desk([covered], TODAY, LAST) is expected


def test_a_desk_that_one_answer_covered_has_all_its_places_covered_then() -> None:
    def whole(last: date) -> Coverage:
        return {EVERYWHERE: [ProvenWindow(date.min, last, NOW)]}

    assert since(whole(LAST)) == 0
    assert since(after((2, "ab", [CoveredWindow("a")]), before=whole(LAST))) == 0
    assert since(whole(LAST - timedelta(days=1))) is None
    assert since({}) is None


def test_a_place_that_left_the_page_keeps_what_was_covered_of_it_and_delays_no_proof() -> None:
    covered = [CoveredWindow("c"), CoveredWindow("a")]
    known = after((0, "abc", covered), (1, "ab", [CoveredWindow("b")]))
    assert (sorted(known), since(known)) == (["a", "b", "c"], 0)
    assert sorted(after((2, "ab", []), before=known, since=NOW + MINUTE)) == ["a", "b"]


def test_a_desk_is_proven_for_five_intervals() -> None:
    assert is_proven(NOW - 5 * MINUTE, 60, NOW)
    assert not is_proven(NOW - 5 * MINUTE - timedelta(seconds=1), 60, NOW)


days = st.integers(0, 90).map(lambda number: TODAY + timedelta(days=number))
windows = st.builds(CoveredWindow, st.sampled_from("ab"), st.none() | days, st.none() | days)


@pytest.mark.rule("3.2")
@given(st.lists(st.lists(windows, max_size=6), max_size=6))
def test_whole_means_that_no_day_of_no_place_was_left_out_since(visits: list[list[CoveredWindow]]) -> None:
    coverage = after(*((minute, "ab", covered) for minute, covered in enumerate(visits)))
    said = since(coverage)
    answers = [
        max((minute for minute, covered in enumerate(visits) if _covers(covered, place, day)), default=None)
        for place in "ab"
        for day in (TODAY + timedelta(days=number) for number in range(91))
    ]
    expected = None if None in answers else min(each for each in answers if each is not None)
    assert said == expected
    stored = json.dumps(COVERAGE.dump_python(coverage, mode="json"))
    assert COVERAGE.validate_python(json.loads(stored)) == coverage


def _covers(covered: list[CoveredWindow], place: str, day: date) -> bool:
    return any(
        each.place_key == place and (each.first or TODAY) <= day <= (each.last or LAST) for each in covered
    )


# A desk whose places one check cannot ask: what its row remembers, and when it counts as proven.


SECONDS = 60.0  # the desk's interval
PLACES = ("a", "b", "c")


@pytest.fixture
def desk(database: str, desk_files: Callable[..., dict[str, Desk]], frozen: time_machine.Traveller) -> None:
    desk_files(a=HOST)
    add_desk("evry_91/a", wished_seconds=SECONDS, share_seconds=30)


def visit(minute: int, *covered: CoveredWindow) -> DeskState:
    """Let a visit that knows of three places end, and return the desk's row."""
    at = NOW + timedelta(minutes=minute)
    recorded(at, "a", minute + 1, covered=covered, places=PLACES)
    return get(DeskState, "evry_91/a")


def counts(row: DeskState, minute: int) -> bool:
    return is_proven(row.whole_at, SECONDS, NOW + timedelta(minutes=minute))


@pytest.mark.rule("3.2")
@pytest.mark.usefixtures("desk")
def test_a_desk_is_proven_when_the_last_of_its_places_was_covered() -> None:
    for minute, place in enumerate(PLACES[:2]):
        row = visit(minute, CoveredWindow(place))
        assert not counts(row, minute)
        assert row.status_reason.endswith("the rest is asked in turn")
        assert row.last_proven_at == NOW + timedelta(minutes=minute)
    row = visit(2, CoveredWindow("c"))
    assert (row.whole_at, counts(row, 2)) == (NOW, True)
    assert row.status_reason == "watched: no slot is open"
    assert not counts(row, 6)


@pytest.mark.rule("3.2")
@pytest.mark.usefixtures("desk")
def test_a_place_that_was_covered_more_than_five_intervals_ago_counts_no_more() -> None:
    visit(0, CoveredWindow("a"))
    visit(3, CoveredWindow("b"))
    assert not counts(visit(6, CoveredWindow("c")), 6)
    assert counts(visit(7, CoveredWindow("a")), 7)
