"""`check_days`: totals per desk and day, the same when repeated, and complete after an outage."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from api.background import jobs
from api.figures import desk_days
from api.models.base import session
from api.models.check import CheckDay
from api.models.desk import DeskStatus
from api.models.partitions import make_partitions
from configs.ground.clock import clock
from configs.world.outcome import Outcome
from tests.factories import BOBIGNY, add_check, add_desk, rows, see

TODAY = date(2026, 11, 20)

pytestmark = pytest.mark.usefixtures("database", "frozen")


def check(at: str, outcome: Outcome = Outcome.NO_SLOTS, desk_id: str = BOBIGNY, day: date = TODAY) -> None:
    add_check(desk_id, started_at=datetime.fromisoformat(f"{day}T{at}Z"), outcome=outcome)


def days(day: date = TODAY) -> dict[str, Any]:
    return {row.desk_id: row for row in rows(CheckDay) if row.day == day}


def find_days() -> list[date]:
    with session() as s:
        return desk_days.find_days_to_sum(s, clock())


def test_a_day_counts_checks_outcomes_intervals_and_openings() -> None:
    add_desk(wished_seconds=60.0, feasible_seconds=90.0, due_queue="prefenligne", status=DeskStatus.ACTIVE)
    for at in ("00:00:00", "08:00:00", "08:01:00", "08:03:00"):
        check(at)
    check("08:03:30", Outcome.SLOTS)
    check("08:02:00", Outcome.BLOCKED)
    see("2099-01-01", at=datetime(2026, 11, 20, 8, 3, 30, tzinfo=UTC))
    assert jobs.sum_days()["desks"] == 1
    row = days()[BOBIGNY]
    assert (row.checks, row.proven, row.openings) == (6, 5, 1)
    assert row.outcomes == {"no_slots": 4, "slots": 1, "blocked": 1}
    assert row.achieved_seconds == pytest.approx((60 + 120) / 2)  # of 28800, 60, 120, 30
    assert (row.promised_seconds, row.updated_at) == (90.0, clock())


def test_a_repetition_writes_the_same_and_later_checks_are_added(frozen: time_machine.Traveller) -> None:
    add_desk(wished_seconds=30.0, due_queue="prefenligne")
    check("08:00:00")
    for _ in range(2):
        jobs.sum_days()
        assert days()[BOBIGNY].checks == 1
    check("09:30:00")
    frozen.shift(timedelta(hours=1))
    jobs.sum_days()
    assert days()[BOBIGNY].checks == 2


def test_a_day_ends_at_midnight_utc_and_is_summed_up_once_more_after_it(
    frozen: time_machine.Traveller,
) -> None:
    add_desk(wished_seconds=30.0, due_queue="prefenligne")
    frozen.move_to("2026-11-20T23:30:00+00:00")
    jobs.sum_days()
    check("23:59:59.999999")
    check("00:00:00", day=TODAY + timedelta(days=1))
    add_desk(wished_seconds=120.0, due_queue="prefenligne")
    frozen.move_to("2026-11-21T00:00:00+00:00")
    assert jobs.sum_days()["desks"] == 2
    yesterday, today = days()[BOBIGNY], days(TODAY + timedelta(days=1))[BOBIGNY]
    assert (yesterday.checks, yesterday.promised_seconds) == (1, 30.0)
    assert (today.checks, today.promised_seconds) == (1, 120.0)
    frozen.move_to("2026-11-22T03:00:00+00:00")
    jobs.sum_days()
    assert len(find_days()) == 2


def test_all_days_since_the_last_time_are_made_up(frozen: time_machine.Traveller) -> None:
    check("08:00:00")
    jobs.sum_days()
    with session() as s:
        make_partitions(s, TODAY + timedelta(days=2))
    check("12:00:00")
    check("12:00:00", day=TODAY + timedelta(days=2))
    frozen.move_to("2026-11-23T01:00:00+00:00")
    assert len(find_days()) == 5
    jobs.sum_days()
    assert [days(TODAY + timedelta(days=number))[BOBIGNY].checks for number in (0, 2)] == [2, 1]
    assert days(TODAY + timedelta(days=1)) == {}
