"""A real database that answers and takes no writes, while a test wants it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager

import psycopg2
from psycopg2 import sql

from api.models.base import engine

_NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
"""
_FULL = """
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON notifications EXECUTE FUNCTION no_room();
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON users EXECUTE FUNCTION no_room();
"""
_FULL_FOR_ANSWERS = """
CREATE TRIGGER no_room BEFORE UPDATE ON notifications FOR EACH ROW WHEN (NEW.lease_token IS NULL)
EXECUTE FUNCTION no_room();
"""


@contextmanager
def read_only() -> Iterator[None]:
    """Set the database read-only; connections begin again, as after a failover to a standby."""
    name = sql.Identifier(str(engine().url.database))
    engine().dispose()
    _act(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    try:
        yield
    finally:
        _act(
            sql.SQL("SET default_transaction_read_only = off"),
            sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name),
        )


@contextmanager
def disk_full(*, for_answers_only: bool = False) -> Iterator[None]:
    """Have PostgreSQL find no room for a message or an account, or for what a provider answered only."""
    _act(sql.SQL(_NO_ROOM), sql.SQL(_FULL_FOR_ANSWERS if for_answers_only else _FULL))
    try:
        yield
    finally:
        _act(sql.SQL("DROP FUNCTION no_room CASCADE"))


REFUSALS: list[Callable[[], AbstractContextManager[None]]] = [read_only, disk_full]


def _act(*statements: sql.Composable) -> None:
    address = engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg2.connect(address)) as made:
        made.autocommit = True
        with made.cursor() as cursor:
            for each in statements:
                cursor.execute(each)


@contextmanager
def broken_row(table: str, column: str, value: object) -> Iterator[None]:
    """Have PostgreSQL refuse each change of the rows of a table that have this value, and no other one."""
    function = sql.SQL(
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$"
    )
    trigger = sql.SQL(
        "CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON {} FOR EACH ROW WHEN (NEW.{} = {})"
        " EXECUTE FUNCTION broken()"
    ).format(sql.Identifier(table), sql.Identifier(column), sql.Literal(str(value)))
    _act(function, trigger)
    try:
        yield
    finally:
        _act(sql.SQL("DROP FUNCTION broken CASCADE"))
