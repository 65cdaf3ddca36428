from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parsing.date_windows import (
    ask_weeks,
    covered_by_answer,
    days_from,
    instant_of,
    week,
    weeks,
)
from crawler.reading import CoveredWindow, PageRequest, Place
from tests.crawler.pages import TODAY, page, visit

A = Place("1")
ASKED = CoveredWindow("1", date(2026, 11, 20), date(2026, 11, 26))


@given(st.integers(0, 400))
def test_weeks_reach_the_horizon_without_a_gap(horizon: int) -> None:
    found = list(weeks(visit(horizon=horizon), A))
    days = [
        covered.first + timedelta(days=ahead)
        for _, _, covered in found
        if covered.first
        for ahead in range(7)
    ]
    assert days == [TODAY + timedelta(days=ahead) for ahead in range(len(found) * 7)]
    assert TODAY + timedelta(days=horizon) in days
    assert [ahead for _, ahead, _ in found] == list(range(0, horizon + 1, 7))


@pytest.mark.parametrize(
    ("shown", "covered"),
    [
        (None, ASKED),
        (
            (date(2026, 11, 16), date(2026, 11, 22)),
            CoveredWindow("1", date(2026, 11, 16), date(2026, 11, 22)),
        ),
        (
            (date(2026, 11, 26), date(2026, 11, 26)),
            CoveredWindow("1", date(2026, 11, 26), date(2026, 11, 26)),
        ),
        ((date(2026, 11, 27), date(2026, 12, 3)), None),
        ((date(2026, 11, 13), date(2026, 11, 19)), None),
    ],
)
def test_a_calendar_answers_for_what_it_shows_where_that_meets_what_was_asked(
    shown: tuple[date, date] | None, covered: CoveredWindow | None
) -> None:
    assert covered_by_answer(A, ASKED, shown) == covered


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2027-03-28T01:59", "Europe/Paris", datetime(2027, 3, 28, 0, 59, tzinfo=UTC)),
        ("2027-03-28T02:30", "Europe/Paris", None),  # never comes
        ("2027-03-28T03:00", "Europe/Paris", datetime(2027, 3, 28, 1, 0, tzinfo=UTC)),
        ("2026-10-25T02:30", "Europe/Paris", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # comes twice
        ("2026-11-24T09:00", "Indian/Reunion", datetime(2026, 11, 24, 5, tzinfo=UTC)),
    ],
)
def test_a_wall_clock_is_an_instant_of_its_zone(wall: str, zone: str, expected: datetime | None) -> None:
    assert instant_of(datetime.fromisoformat(wall), ZoneInfo(zone)) == expected


@pytest.mark.parametrize(
    ("first", "days", "last"), [("23/11/2026", 7, date(2026, 11, 29)), ("31/12/2026", 1, date(2026, 12, 31))]
)
def test_so_many_days_from_a_french_date(first: str, days: int, last: date) -> None:
    window = days_from(Place("7"), first, days)
    assert window
    assert (window.place_key, window.last) == ("7", last)


@pytest.mark.parametrize(
    ("first", "days"),
    [("2026/11/23", 7), (None, 7), ("23/11/2026", 0), ("23/11/2026", "7"), ("23/11/2026", 10_000)],
)
def test_what_says_no_days_is_no_window(first: object, days: object) -> None:
    assert days_from(Place("7"), first, days) is None


def test_one_week_is_asked_as_early_as_its_page_and_the_others_behind_all_places() -> None:
    here = replace(page("", of=visit(horizon=20)), ask=PageRequest("/4", rank=3, turn=1))
    asks = ask_weeks(here, A, "/week/{}".format, 100)
    assert [(ask.url, ask.rank) for ask in asks] == [("/week/0", 102), ("/week/7", 3), ("/week/14", 101)]
    assert {(ask.step, ask.place) for ask in asks} == {("week", A)}
    assert [ask.window for ask in asks] == [week(visit(), A, ahead) for ahead in (0, 7, 14)]
