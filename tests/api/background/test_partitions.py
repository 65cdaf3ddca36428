"""Days of `checks`: a job makes them ahead of time, another drops old ones; readers and writers do not wait long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
import time_machine

from api.background import jobs
from api.models.base import engine, session
from api.models.partitions import count_days_ahead, make_partitions

pytestmark = pytest.mark.usefixtures("database")
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
        assert jobs.make_partitions() == {"made": 16}
    assert (days_ahead(FAR), exists(FAR - timedelta(days=1))) == (14, True)
    assert jobs.make_partitions() == {"made": 0}
    frozen.shift(timedelta(days=1))
    assert jobs.make_partitions() == {"made": 1}


def test_while_the_table_is_locked_no_day_is_made_and_the_next_run_makes_it(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(PARTITION_LOCK_SECONDS="0.001")
    frozen.move_to(f"{FAR + timedelta(days=60)}T00:00:00+00:00")
    with engine().connect() as other, other.begin():
        other.exec_driver_sql("LOCK TABLE checks IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            jobs.make_partitions()
    assert jobs.make_partitions() == {"made": 16}


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
    assert jobs.drop_partitions() == {"dropped": 1, "summed": 0, "locked": 0}
    assert [exists(middle + timedelta(days=each)) for each in (-1, 0, 1)] == [False, True, True]
    assert jobs.drop_partitions() == {"dropped": 0, "summed": 0, "locked": 0}


def test_a_reader_is_not_waited_for_when_a_day_is_dropped(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    middle = make_old_days()
    settings_env(PARTITION_LOCK_SECONDS="0.001")
    frozen.move_to(f"{middle + timedelta(days=100)}T00:00:00+00:00")
    with reader():  # as a dump reads, for hours: no alarm, the next run drops the day
        assert jobs.drop_partitions() == {"dropped": 0, "summed": 0, "locked": 1}
        assert exists(middle)
    assert jobs.drop_partitions() == {"dropped": 3, "summed": 0, "locked": 0}


def test_days_of_the_last_month_are_never_dropped(
    frozen: time_machine.Traveller, settings_env: Callable[..., None]
) -> None:
    settings_env(CHECKS_KEPT_FOR="1d")
    frozen.move_to("2036-01-01T00:00:00+00:00")  # the server goes by its own clock
    with pytest.raises(sa.exc.DBAPIError, match="checks of 30 days are kept"):
        jobs.drop_partitions()
