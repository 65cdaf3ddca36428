"""Periods that working days end: that to withdraw, compared with days read off a calendar, and release times of slots."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from configs.world.prefecture import load_prefectures
from configs.world.slot_releases import Release, list_windows, window, working_day
from configs.world.withdrawal_period import ZONE, find_withdrawal_period
from tests.in_turn import in_turn

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=12_000)).map(lambda since: BEGINNING + since)


def at(text: str) -> datetime:
    """Return an instant of French clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@in_turn(
    "contract, last_day",
    [
        ("2026-11-18 10:00", "2026-12-02"),  # a Wednesday
        ("2026-11-18 00:00:01", "2026-12-02"),
        ("2026-11-18 23:59:59", "2026-12-02"),
        ("2026-11-20 10:00", "2026-12-04"),  # a Friday
        ("2026-11-21 10:00", "2026-12-07"),  # would end on a Saturday
        ("2026-11-22 10:00", "2026-12-07"),  # on a Sunday
        ("2026-12-11 10:00", "2026-12-28"),  # Christmas, a Friday, then the weekend
        ("2026-12-18 10:00", "2027-01-04"),  # New Year's Day, a Friday, then the weekend
        ("2027-03-13 10:00", "2027-03-30"),  # Saturday, Easter Sunday and Monday
        ("2027-04-17 10:00", "2027-05-03"),  # the first of May is a Saturday
        ("2027-04-22 10:00", "2027-05-07"),  # Ascension Day, a Thursday
        ("2027-05-03 10:00", "2027-05-18"),  # Whit Monday
        ("2027-06-30 10:00", "2027-07-15"),  # the 14th of July
        ("2026-10-28 10:00", "2026-11-12"),  # the 11th of November
    ],
)
def test_fourteen_days_and_to_the_next_working_day(contract: str, last_day: str) -> None:
    period = find_withdrawal_period(at(contract), at(contract))
    assert period.last_day == date.fromisoformat(last_day)
    midnight = at(last_day) + timedelta(days=1)
    assert period.ends_at == midnight
    assert period.includes(midnight - SECOND)
    assert not period.includes(midnight)


@in_turn(
    "contract, ends_utc",
    [
        ("2026-10-14 10:00", datetime(2026, 10, 28, 23, tzinfo=UTC)),  # winter time began on the 25th
        ("2027-03-18 10:00", datetime(2027, 4, 1, 22, tzinfo=UTC)),  # summer time began on the 28th
    ],
)
def test_the_last_day_ends_by_the_clock_of_its_season(contract: str, ends_utc: datetime) -> None:
    period = find_withdrawal_period(at(contract), at(contract))
    assert period.ends_at == ends_utc
    assert period.includes(ends_utc - SECOND)
    assert not period.includes(ends_utc)


def test_it_counts_from_the_order_mail_where_that_was_handed_over_later() -> None:
    contract = at("2026-11-18 23:50")
    assert find_withdrawal_period(contract, at("2026-11-19 00:10")).last_day == date(2026, 12, 3)
    assert find_withdrawal_period(contract, at("2027-05-19 09:00")).last_day == date(2027, 6, 2)


def test_without_the_mail_it_lasts_twelve_months_longer() -> None:
    contract = at("2026-11-18 10:00")
    longest = date(2027, 12, 2)
    assert find_withdrawal_period(contract, None).last_day == longest
    assert find_withdrawal_period(contract, at("2027-12-02 10:00")).last_day == date(2027, 12, 16)
    assert find_withdrawal_period(contract, at("2027-12-03 10:00")).last_day == longest, "it was over"
    assert find_withdrawal_period(at("2028-02-15 10:00"), None).last_day == date(2029, 3, 1)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=500)))
def test_who_is_informed_later_never_has_less_time(contract: datetime, later: timedelta) -> None:
    prompt = find_withdrawal_period(contract, contract)
    informed_at = contract + later
    period, longest = (find_withdrawal_period(contract, each) for each in (informed_at, None))
    assert period.last_day >= prompt.last_day
    assert longest.last_day >= prompt.last_day + timedelta(days=364)
    if longest.includes(informed_at):
        assert period.last_day >= informed_at.astimezone(ZONE).date() + 14 * DAY
    else:
        assert period == longest


# Release times: weekly, the next working day after a holiday, in the desk's own time

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
        ({"date": "20260101"}, "must be a date"),
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


def test_the_day_of_a_contract_is_that_of_france_and_its_holidays_are_no_regions() -> None:
    for contract, last_day in (
        (datetime(2026, 9, 8, 22, 30, tzinfo=UTC), date(2026, 9, 23)),  # the 9th in France
        (datetime(2025, 12, 12, 9, tzinfo=UTC), date(2025, 12, 26)),  # a holiday in Alsace and Moselle alone
    ):
        assert find_withdrawal_period(contract, contract).last_day == last_day
