"""Days of `checks` are made without waiting for readers, and without keeping writers waiting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from api.models.base import engine, session
from api.models.partitions import count_days_ahead, make_partitions
from tests.factories import add_check

pytestmark = pytest.mark.usefixtures("database")
DAY = date(2031, 3, 1)  # no other test makes days there
_SHAPE = sa.text("""
SELECT 'column', attname, format_type(atttypid, atttypmod), attnotnull::text FROM pg_attribute
WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'check', conname, pg_get_constraintdef(oid), '' FROM pg_constraint
WHERE conrelid = CAST(:table AS regclass) AND contype IN ('c', 'p')
UNION ALL SELECT 'index', '', regexp_replace(pg_get_indexdef(indexrelid), '^.* USING ', ''), indisunique::text
FROM pg_index WHERE indrelid = CAST(:table AS regclass)
""")


def make(days: int = 0) -> None:
    with session() as rows:
        make_partitions(rows, DAY, days)


def check_day(day: date = DAY) -> None:
    add_check("evry_91/a", started_at=datetime(day.year, day.month, day.day, tzinfo=UTC))


@contextmanager
def another(statement: str) -> Iterator[None]:
    """Let another transaction stand open behind a statement."""
    with engine().connect() as other, other.begin():
        other.exec_driver_sql(statement)
        yield


def shape(table: str) -> set[tuple[str, ...]]:
    with session() as rows:
        found = [tuple(row) for row in rows.execute(_SHAPE, {"table": table})]
    return {(kind, "" if "pkey" in name or "pk_" in name else name, *more) for kind, name, *more in found}


def test_another_change_of_the_table_is_not_waited_for(settings_env: Callable[..., None]) -> None:
    settings_env(PARTITION_LOCK_SECONDS="0.001", DATABASE_SECONDS="5")
    with (
        another("LOCK TABLE checks IN SHARE UPDATE EXCLUSIVE MODE"),
        pytest.raises(sa.exc.OperationalError) as refused,
    ):
        make()
    assert getattr(refused.value.orig, "pgcode", None) == "55P03"
    with pytest.raises(sa.exc.IntegrityError, match="no partition"):
        check_day()
    make()
    check_day()


def test_two_programs_that_make_the_same_day_do_not_fail_each_other() -> None:
    with session() as first:
        make_partitions(first, DAY, 0)
        with session() as second, pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            make_partitions(second, DAY, 0)
    make()
    check_day()


def test_a_day_is_shaped_as_the_table() -> None:
    make()
    assert shape("checks_20310301") == shape("checks")
    with session() as rows, pytest.raises(sa.exc.IntegrityError, match="ck_checks_counts"):
        rows.execute(
            sa.text(
                "INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen,"
                " covered, process) VALUES (:day, 'a/b', 'slots', '', -1, 0, 0, '[]', '')"
            ),
            {"day": DAY},
        )


def test_days_ahead_are_those_without_a_gap() -> None:
    with session() as rows:
        assert count_days_ahead(rows, DAY) == 0
    make(days=3)
    with session() as rows:
        assert count_days_ahead(rows, DAY) == 3
        assert count_days_ahead(rows, DAY + timedelta(days=2)) == 1
        assert count_days_ahead(rows, DAY + timedelta(days=9)) == 0
