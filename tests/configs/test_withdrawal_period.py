"""The end of the period to withdraw, compared with days that were read off a calendar."""

from datetime import UTC, date, datetime, timedelta

import pytest

from configs.withdrawal_period import ZONE, find_withdrawal_period

SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    """Return an instant of French clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("contract", "last_day"),
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


def test_the_day_of_the_contract_is_that_of_french_clocks() -> None:
    late = datetime(2026, 11, 17, 23, 30, tzinfo=UTC)  # the 18th in France
    assert find_withdrawal_period(late, late).last_day == date(2026, 12, 2)


@pytest.mark.parametrize(
    ("contract", "ends_utc"),
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
