from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.reading import CoveredWindow
from crawler.recording.coverage_tracking import (
    Coverage,
    covers_whole_desk,
    is_proven,
    pack,
    seed_coverage,
    unpack,
    update_coverage,
    whole_since,
)
from tests.in_turn import in_turn

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TODAY, LAST = date(2026, 11, 20), date(2027, 2, 18)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOW - timedelta(days=1)


def after(
    *visits: tuple[int, Iterable[str], list[CoveredWindow]],
    before: Coverage | None = None,
    since: datetime = LONG_AGO,
) -> Coverage:
    """Return what is known after visits: minute, places known, what was covered."""
    coverage: Coverage = before or {}
    for minute, places, covered in visits:
        coverage = update_coverage(coverage, places, covered, at=NOW + minute * MINUTE, since=since)
    return coverage


def since(coverage: Coverage) -> int | None:
    found = whole_since(coverage, TODAY, LAST)
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
    known = seed_coverage("ab", NOW, LAST)
    assert since(known) == 0
    assert since(after((2, "ab", [CoveredWindow("a")]), before=known)) == 0
    assert since(seed_coverage("ab", NOW, LAST - timedelta(days=1))) is None
    assert since(seed_coverage("ab", None, LAST)) is None


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
    assert unpack(pack(coverage)) == coverage


def _covers(covered: list[CoveredWindow], place: str, day: date) -> bool:
    return any(
        each.place_key == place and (each.first or TODAY) <= day <= (each.last or LAST) for each in covered
    )
