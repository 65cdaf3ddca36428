"""Gone slots go after a year with what announced them, days are summed up before they go; jobs that are due at an hour in Paris."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
import time_machine

from api.jobs import schedule as jobs
from api.jobs import table_upkeep
from api.jobs.registry import JOBS
from api.jobs.turns import find_last_due
from api.models.base import engine, session
from api.models.check import Check, CheckDay, count_days_ahead, drop_oldest_partition, make_partitions
from api.models.job import JobResult
from api.models.notification import Match, Notification, write_ranges
from api.models.slot import Detection, DetectionSlot, GoneReason, SlotRow
from api.models.user import Channel, Role
from configs.ground.clock import clock
from tests import factories
from tests.api.jobs.conftest import run_due
from tests.api.messages import add_operator
from tests.clients import People
from tests.factories import change
from tests.in_turn import in_turn

pytestmark = pytest.mark.usefixtures("database")
DAY = timedelta(days=1)
OLD = date(2026, 7, 3)


def check(at: datetime, desk_id: str = factories.BOBIGNY) -> None:
    factories.add_check(desk_id, started_at=at)


@pytest.fixture
def old_day(database: str, frozen: time_machine.Traveller, settings_env: Callable[..., None]) -> datetime:
    """Make a day with two checks, which is old now; return its begin."""
    with session() as s:
        make_partitions(s, OLD, 0)
        s.execute(sa.text("DROP TABLE checks_20260702"))  # of the day before
    begins = datetime(OLD.year, OLD.month, OLD.day, tzinfo=UTC)
    check(begins + timedelta(hours=1))
    check(begins + timedelta(hours=2))
    settings_env(CHECKS_KEPT_FOR="90d")
    frozen.move_to(begins + 100 * DAY)
    return begins


def totals() -> dict[date, int]:
    return {each.day: each.checks for each in factories.rows(CheckDay)}


@pytest.mark.usefixtures("old_day")
def test_a_day_that_is_not_summed_up_is_not_dropped_before_the_job_does_it() -> None:
    with session() as s, pytest.raises(sa.exc.InternalError, match=r"checks of 2026-07-03 are not summed up"):
        drop_oldest_partition(s, OLD + DAY)
    assert len(factories.rows(Check)) == 2
    assert table_upkeep.drop_partitions() == {"dropped": 1, "summed": 1, "locked": 0}
    assert totals() == {OLD: 2}
    assert factories.rows(Check) == []


def test_checks_that_came_after_the_sum_are_counted_before_the_day_goes(
    old_day: datetime, frozen: time_machine.Traveller
) -> None:
    frozen.move_to(old_day + timedelta(hours=1.5))
    factories.remove(Check, Check.started_at > clock())
    jobs.sum_days()
    check(old_day + timedelta(hours=23))
    check(old_day + timedelta(hours=23), "bobigny_93/naturalisation")
    frozen.move_to(old_day + 100 * DAY)
    assert table_upkeep.drop_partitions() == {"dropped": 1, "summed": 1, "locked": 0}
    assert sorted(each.checks for each in factories.rows(CheckDay)) == [1, 2]


@pytest.fixture
def announced(frozen: time_machine.Traveller) -> Callable[..., tuple[UUID, list[int]]]:
    """Give a function that announces slots to an alert; it returns the detection and their ids."""

    def announce(user_id: UUID, *moments: str) -> tuple[UUID, list[int]]:
        detection_id, slots = factories.see(*moments)
        factories.add_match(factories.add_alert(user_id), detection_id, slots)
        return detection_id, slots

    return announce


def go(slots: list[int], at: datetime) -> None:
    gone = {"gone_at": at, "gone_reason": GoneReason.TAKEN}
    change(SlotRow, SlotRow.id.in_(slots), **gone)


Announce = Callable[..., tuple[UUID, list[int]]]


def test_a_slot_goes_a_year_after_it_was_gone_and_what_announced_it_stays(
    announced: Announce, person: People, frozen: time_machine.Traveller
) -> None:
    _, slots = announced(person().id, "2026-12-01", "2026-12-02")
    go(slots, clock())
    frozen.shift(365 * DAY)
    assert "slots" not in jobs.apply_retention()
    frozen.shift(timedelta(seconds=1))
    assert jobs.apply_retention()["slots"] == 2
    assert (factories.rows(SlotRow), factories.rows(DetectionSlot)) == ([], [])
    assert (len(factories.rows(Detection)), [each.slots for each in factories.rows(Match)]) == (
        1,
        [write_ranges(slots)],
    )


@pytest.mark.rule("3.4")
def test_a_slot_that_is_open_stays_announced_when_one_that_was_announced_with_it_goes(
    announced: Announce, person: People, frozen: time_machine.Traveller
) -> None:
    _, slots = announced(person().id, "2026-12-01", "open")
    go(slots[:1], clock())
    frozen.shift(500 * DAY)
    assert jobs.apply_retention()["slots"] == 1
    (match,) = factories.rows(Match)
    assert match.slots == write_ranges(slots)


FAR = date(2032, 5, 1)  # no other test makes days there


def days_ahead(day: date) -> int:
    with session() as s:
        return count_days_ahead(s, day)


def exists(day: date) -> bool:
    with session() as s:
        return bool(
            s.scalar(sa.text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"checks_{day:%Y%m%d}"})
        )


@contextmanager
def reader() -> Iterator[None]:
    """Read `checks` for as long as the block lasts, as a dump does."""
    with engine().connect() as dump, dump.begin():
        dump.exec_driver_sql("SELECT count(*) FROM checks")
        yield


def test_days_are_made_ahead_also_beside_a_reader(frozen: time_machine.Traveller) -> None:
    frozen.move_to(f"{FAR}T00:00:00+00:00")
    with reader():
        assert table_upkeep.make_partitions() == {"made": 16}
    assert (days_ahead(FAR), exists(FAR - timedelta(days=1))) == (14, True)
    assert [days_ahead(FAR + timedelta(days=each)) for each in (-9, 12, 15)] == [0, 2, 0], "without a gap"
    assert table_upkeep.make_partitions() == {"made": 0}
    frozen.shift(timedelta(days=1))
    assert table_upkeep.make_partitions() == {"made": 1}


def test_while_the_table_is_locked_no_day_is_made_and_the_next_run_makes_it(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(PARTITION_LOCK_SECONDS="0.001")
    frozen.move_to(f"{FAR + timedelta(days=60)}T00:00:00+00:00")
    with engine().connect() as other, other.begin():
        other.exec_driver_sql("LOCK TABLE checks IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            table_upkeep.make_partitions()
    assert table_upkeep.make_partitions() == {"made": 16}


def make_old_days() -> date:
    """Make three days of long ago; return the middle one."""
    middle = date(2026, 7, 3)
    with session() as s:
        make_partitions(s, middle, 1)
    return middle


def test_days_older_than_checks_are_kept_are_dropped(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    middle = make_old_days()
    settings_env(CHECKS_KEPT_FOR="90d")
    frozen.move_to(f"{middle + timedelta(days=90)}T23:00:00+00:00")
    assert table_upkeep.drop_partitions() == {"dropped": 1, "summed": 0, "locked": 0}
    assert [exists(middle + timedelta(days=each)) for each in (-1, 0, 1)] == [False, True, True]
    assert table_upkeep.drop_partitions() == {"dropped": 0, "summed": 0, "locked": 0}


def test_a_reader_is_not_waited_for_when_a_day_is_dropped(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    middle = make_old_days()
    settings_env(PARTITION_LOCK_SECONDS="0.001")
    frozen.move_to(f"{middle + timedelta(days=100)}T00:00:00+00:00")
    with reader():  # as a dump reads, for hours: no alarm, the next run drops the day
        assert table_upkeep.drop_partitions() == {"dropped": 0, "summed": 0, "locked": 1}
        assert exists(middle)
    assert table_upkeep.drop_partitions() == {"dropped": 3, "summed": 0, "locked": 0}


def test_days_of_the_last_month_are_never_dropped(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(CHECKS_KEPT_FOR="1d")
    frozen.move_to("2036-01-01T00:00:00+00:00")  # the server goes by its own clock
    with pytest.raises(sa.exc.DBAPIError, match="checks of 30 days are kept"):
        table_upkeep.drop_partitions()


MORNING = JOBS["operations_digest"]


@in_turn(
    "now, due",
    [
        ("2026-11-20T07:59:59Z", "2026-11-19T08:00:00Z"),
        ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
        ("2026-11-20T22:59:59Z", "2026-11-20T08:00:00Z"),
        ("2026-11-20T23:30:00Z", "2026-11-20T08:00:00Z"),  # the next day in Paris
        ("2026-03-28T08:00:00Z", "2026-03-28T08:00:00Z"),
        ("2026-03-29T06:59:59Z", "2026-03-28T08:00:00Z"),
        ("2026-03-29T07:00:00Z", "2026-03-29T07:00:00Z"),  # 23 hours later
        ("2026-10-24T07:00:00Z", "2026-10-24T07:00:00Z"),
        ("2026-10-25T07:00:00Z", "2026-10-24T07:00:00Z"),
        ("2026-10-25T08:00:00Z", "2026-10-25T08:00:00Z"),  # 25 hours later
    ],
)
def test_a_daily_job_is_due_at_its_hour_in_paris(now: str, due: str) -> None:
    assert MORNING.find_due_time(datetime.fromisoformat(now)) == datetime.fromisoformat(due)
    assert MORNING.find_due_time(MORNING.find_next(datetime.fromisoformat(due))) > datetime.fromisoformat(due)


def messages() -> list[Notification]:
    return sorted((each for each in factories.rows(Notification)), key=lambda each: each.params["until"])


def test_a_server_that_was_down_at_nine_writes_the_digest_once_afterwards(
    done: list[str], frozen: time_machine.Traveller
) -> None:
    add_operator(Channel.TELEGRAM)
    frozen.move_to("2026-11-20T08:00:00Z")
    for moment in ("2026-11-20T08:00:00Z", "2026-11-22T14:00:00Z", "2026-11-22T14:05:00Z"):
        frozen.move_to(moment)
        run_due([MORNING])
    spans = [(each.params["since"][:16], each.params["until"][:16]) for each in messages()]
    assert spans == [
        ("2026-11-19T08:00", "2026-11-20T08:00"),
        ("2026-11-20T08:00", "2026-11-22T08:00"),  # what was missed is in one message
    ]
    frozen.move_to("2026-11-23T08:00:00Z")
    run_due([MORNING])
    assert len(messages()) == 3


def test_a_run_that_is_repeated_writes_no_second_message_and_all_go_to_admins_only(
    done: list[str], frozen: time_machine.Traveller
) -> None:
    for role in (Role.USER, Role.SUPPORT, Role.ADMIN):
        add_operator(Channel.TELEGRAM, role=role)
    for name in ("operations_digest", "operations_report"):
        job = getattr(jobs, name)
        assert [job()["mails"] for _ in range(2)] == [1, 0]
        frozen.shift(timedelta(hours=1))


def test_the_time_of_a_message_begins_where_the_last_one_ended(
    done: list[str], frozen: time_machine.Traveller
) -> None:
    now, day = clock(), timedelta(days=1)

    def last() -> datetime:
        with session() as s:
            return find_last_due(s, "operations_digest", now)

    assert last() == now - day
    factories.add_job("operations_digest", JobResult.DONE, now - 3 * day)
    factories.add_job("operations_digest", JobResult.FAILED, now - day)
    assert last() == now - 3 * day
    frozen.shift(timedelta(days=30))
    now = clock()
    assert last() == now - 7 * day, "a week at most"
