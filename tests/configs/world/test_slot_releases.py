"""Release times: weekly, the next working day after a holiday, in the desk's own time."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from configs.world.prefecture import load_prefectures
from configs.world.slot_releases import Release, list_windows, window, working_day
from tests.in_turn import in_turn

PARIS, REUNION = ZoneInfo("Europe/Paris"), ZoneInfo("Indian/Reunion")
MONDAY: dict[str, Any] = {
    "day": "monday",
    "begins": "16:00",
    "ends": "19:00",
    "source": "a test",
    "date": "2026-01-01",
}


def begins(now: str, zone: ZoneInfo = PARIS, department: str = "92", **other: str) -> str:
    found = window([Release.model_validate(MONDAY | other)], zone, department, datetime.fromisoformat(now))
    assert found
    return found.begins.astimezone(zone).isoformat(timespec="minutes")


@in_turn(
    "now, expected",
    [
        ("2026-11-20T09:00Z", "2026-11-23T16:00+01:00"),
        ("2026-11-23T15:30Z", "2026-11-23T16:00+01:00"),  # under way
        ("2026-11-23T18:00Z", "2026-11-30T16:00+01:00"),  # just over
        ("2026-04-02T09:00Z", "2026-04-07T16:00+02:00"),  # Easter Monday
        ("2026-04-07T15:00Z", "2026-04-07T16:00+02:00"),  # put off, under way
        ("2026-03-27T09:00Z", "2026-03-30T16:00+02:00"),  # the clocks go forward in between
        ("2026-10-23T09:00Z", "2026-10-26T16:00+01:00"),  # and back
    ],
)
def test_the_window_of_now_or_the_next_one(now: str, expected: str) -> None:
    assert begins(now) == expected


def test_a_holiday_before_a_weekend_puts_it_into_the_next_week() -> None:
    assert begins("2026-04-27T09:00Z", day="friday") == "2026-05-04T16:00+02:00"  # 1 May 2026 is a Friday


@in_turn(
    "day, department, expected",
    [
        ("2026-12-25", "92", "2026-12-28"),
        ("2026-12-26", "92", "2026-12-26"),  # a Saturday that a source names is meant
        ("2026-12-26", "67", "2026-12-28"),  # a holiday in Alsace
        ("2026-12-26", "57", "2026-12-28"),  # and in Moselle
        ("2026-12-20", "974", "2026-12-21"),  # the end of slavery on La Réunion, a Sunday
        ("2026-12-21", "2A", "2026-12-21"),
    ],
)
def test_holidays_are_the_departments_own(day: str, department: str, expected: str) -> None:
    assert working_day(date.fromisoformat(day), department) == date.fromisoformat(expected)


def test_windows_of_several_weeks_are_listed_once_and_in_order() -> None:
    # Both fall on the Tuesday after Easter Monday.
    told = [Release.model_validate(MONDAY | {"day": day}) for day in ("tuesday", "monday")]
    now, until = datetime(2026, 3, 30, 15, tzinfo=UTC), datetime(2026, 4, 14, 14, tzinfo=UTC)
    found = list_windows(told, PARIS, "92", now, until)
    assert [f"{each.begins.astimezone(PARIS):%m-%d}" for each in found] == [
        "03-30",
        "03-31",
        "04-07",
        "04-13",
    ]


@in_turn(
    "wrong, said",
    [
        ({"ends": "16:00"}, "begins must lie before ends"),
        ({"begins": 960}, 'write it as "16:00"'),
        ({"day": "lundi"}, "monday"),
        ({"date": "2045-01-01"}, "lies in the future"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Release.model_validate(MONDAY | wrong)


def test_a_desk_file_tells_of_them(folder: Path, edit: Callable[..., int]) -> None:
    told = 'releases: [{day: monday, begins: "16:00", ends: "19:00", source: a test, date: 2026-01-01}]'
    edit("    grade:", f"    {told}\n    grade:")
    (desk, *_) = load_prefectures(folder)["evry-courcouronnes_91"].desks
    found = desk.release(datetime(2026, 11, 20, 9, tzinfo=UTC))
    assert found
    assert found.ends == datetime(2026, 11, 23, 18, tzinfo=UTC)
    edit('"16:00"', "16:00")
    (plain, *_) = load_prefectures(folder)["evry-courcouronnes_91"].desks
    assert plain.releases == desk.releases  # an hour is a text, in quotes or without
