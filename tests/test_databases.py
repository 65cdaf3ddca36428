"""No test finds in its database what another left there."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from psycopg2 import extensions

from api.models.base import engine, session
from api.models.desk import DeskChange, DeskState
from tests import databases
from tests.conftest import forget


def do(*statements: str) -> None:
    with engine().begin() as connection:
        for each in statements:
            connection.execute(sa.text(each))


def number() -> int:
    """Return which cluster-wide number the database has: a clone has another."""
    with session() as rows:
        return (
            rows.scalar(sa.text("SELECT oid::int FROM pg_database WHERE datname = current_database()")) or 0
        )


@pytest.fixture
def name(database: str) -> str:
    return database.rpartition("/")[2]


def test_rows_are_gone_and_numbers_begin_anew(name: str) -> None:
    found, before = [], number()
    for _ in range(2):
        with session() as rows:
            rows.add_all(
                [DeskState(id="evry_91/a"), change := DeskChange(desk_id="evry_91/a", reason="a test")]
            )
            rows.flush()
            found.append(change.id)
        databases.clean(name)
        forget()
    assert found == [1, 1]
    assert number() == before


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE desks ADD COLUMN new int",
        "DROP TABLE outages",
        "INSERT INTO desks (id) SELECT generate_series(1, 20000)::text",
    ],
)
def test_another_shape_or_a_full_one_is_made_anew(name: str, statement: str) -> None:
    do(statement)
    before = number()
    databases.clean(name)
    forget()
    assert number() != before


def test_nobody_goes_on_writing(name: str) -> None:
    with engine().connect() as left_open:
        left_open.execute(sa.text("INSERT INTO desks (id) VALUES ('evry_91/a')"))
        databases.clean(name)
        with pytest.raises(sa.exc.OperationalError, match="terminating connection"):
            left_open.execute(sa.text("SELECT 1"))


def test_how_long_one_test_waits_for_postgres_binds_no_other(
    database: str, settings_env: Callable[..., None]
) -> None:
    """psycopg2 keeps the limit for the whole process: with 1 s left over, a busy machine failed the next tests."""
    settings_env(DATABASE_SECONDS="1")
    number()
    assert extensions.get_wait_callback()
    forget()
    assert extensions.get_wait_callback() is None
