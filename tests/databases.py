"""A clean database for each test. The one of the test before is emptied, which costs a tenth of a new one; it is
cloned anew where a test changed its shape."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import sqlalchemy as sa
from alembic.config import Config
from psycopg2.extensions import connection, cursor

TEMPLATE = "rdv_template"
_FULL = 1_000_000  # bytes; deleted rows stay in the files, and each scan reads them, until they are vacuumed

# No other connection may go on writing, as with DROP DATABASE … WITH (FORCE).
_ALONE = """
SELECT pid, CASE WHEN pid <> ALL(%s) THEN pg_terminate_backend(pid, 10000) END FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
# Whatever is done to a table since has a newer xmin; the first one of all, 3, tells how new.
_SHAPE = """
SELECT count(*), age('3'::xid) - min(age(xmin)) FROM pg_class WHERE relpersistence <> 't'
UNION ALL SELECT count(*), age('3'::xid) - min(age(xmin)) FROM pg_attribute WHERE attrelid >= 16384
UNION ALL SELECT count(*), age('3'::xid) - min(age(xmin)) FROM pg_constraint
"""
_SIZES = """
SELECT oid::regclass::text, pg_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
# A function's statements are planned once for its connection: to plan them takes ten times as long as to delete.
_LEARN = """
SET session_replication_role = replica; -- in any order, whatever points where
DO $$ BEGIN
  EXECUTE (
    SELECT format('CREATE FUNCTION pg_temp.empty_all() RETURNS void LANGUAGE plpgsql AS %L', concat('BEGIN ',
      (SELECT string_agg(format('DELETE FROM %s; ', oid::regclass), '') FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND relname <> 'alembic_version'),
      'PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence; END')));
END $$
"""
_NUMBERED = """
SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL
"""
_EMPTY = "SELECT pg_temp.empty_all()"
# One partition for all checks of the months after the last day that the template has.
_MONTHS = """
DO $$ DECLARE ends date; BEGIN
  SELECT max(right(inhrelid::regclass::text, 8))::date + 1 INTO ends FROM pg_inherits WHERE inhparent = 'checks'::regclass;
  EXECUTE format('CREATE TABLE checks_of_months PARTITION OF checks FOR VALUES FROM (%L) TO (%L)', ends, ends + 200);
END $$
"""


_made: dict[str, list[Any]] = {}  # the databases of this process, and the shape of each when it was cloned
# One to each of them: a new connection takes as long as all that is asked on it.
_kept: dict[str, connection] = {}
# The engines of this process whose connections outlive a test: what a new one reads of the catalogue takes PostgreSQL
# as long as all that a usual test asks.
pooled: list[sa.Engine] = []


def clean(name: str, *, has_months: bool = False) -> None:
    """Leave a database of this name as the template is; `has_months`: with room for the checks of months."""
    if name not in _made or not _emptied(name):
        _close(name)
        _clone(name, has_months=has_months)


def empty(name: str) -> None:
    """Delete the rows of all tables of a test's database."""
    with _kept[name].cursor() as database:
        database.execute(_EMPTY)


def copy_rows(name: str) -> dict[str, str]:
    """Return the rows of all tables of a test's database, by table, as JSON."""
    with _kept[name].cursor() as database:
        database.execute(_SIZES)
        tables = [table for table, size in database.fetchall() if size and table != "alembic_version"]
        copied: dict[str, str] = {}
        for table in tables:
            database.execute(f"SELECT jsonb_agg(to_jsonb(t))::text FROM {table} t")  # noqa: S608 -- the catalogue's names
            ((rows,),) = database.fetchall()
            copied |= {table: rows} if rows else {}
        return copied


def bring_back(name: str, copied: dict[str, str]) -> None:
    """Let a test's database have the rows of an earlier copy again; numbers of new rows go on behind all of then."""
    with _kept[name].cursor() as database:
        database.execute(_NUMBERED)
        numbered = database.fetchall()
        empty(name)
        for each in numbered:
            database.execute("SELECT setval(%s, %s)", each)
        for table, rows in copied.items():
            database.execute(
                f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, %s)",  # noqa: S608 -- the same
                (rows,),
            )


def let_rest(engine: sa.Engine) -> None:
    """Keep an engine's connections for the next test, if all of them are idle; close those of all others."""
    for each in pooled:
        is_used = _pool(each).checkedin() or _pool(each).checkedout()
        if is_used and (each is not engine or each.url.database not in _made or _pool(each).checkedout()):
            each.dispose()


def leave_alone() -> None:
    """Let nothing but the tests touch their databases: statistics that come at some moment change plans.

    The password is stored anew with one round: the usual 4,096 take a client longer than all else of a connection.
    """
    url = urlsplit(address("postgres"))
    with _connected("postgres") as server:
        server.execute("ALTER SYSTEM SET autovacuum = off")
        server.execute("SELECT pg_reload_conf()")
        server.execute("SET scram_iterations = 1")
        server.execute(f'ALTER ROLE "{url.username}" PASSWORD %s', (url.password,))


def read_version() -> str:
    """Return the server's version."""
    with _connected("postgres") as server:
        server.execute("SHOW server_version")
        return str(server.fetchall()[0][0])


def address(name: str) -> str:
    """Return a database's address, as DATABASE_URL wants it."""
    return os.environ["TEST_POSTGRES"].format(name)


def _clone(name: str, *, has_months: bool) -> None:
    _let_go(name)
    with _connected("postgres") as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    _kept[name] = _connect(name)
    with _kept[name].cursor() as database:
        if has_months:
            database.execute(_MONTHS)
        database.execute(_LEARN)
        _made[name] = _shape(database)


def _emptied(name: str) -> bool:
    """Empty a database; False where it is easier to make it again."""
    try:
        with _kept[name].cursor() as database:
            _end_others(name, database)
            if _shape(database) != _made[name]:
                return False
            database.execute(_EMPTY)
            _vacuum(database)
            return True
    except (psycopg2.OperationalError, psycopg2.InterfaceError):  # a test ended all connections
        return False


def _end_others(name: str, database: cursor) -> None:
    resting = [] if any(_pool(each).checkedout() for each in _of(name)) else _idle(name)
    database.execute(_ALONE, (resting,))
    if not {pid for pid, _ in database.fetchall()}.issuperset(resting) or not resting:
        _close(name)


def _of(name: str) -> list[sa.Engine]:
    return [each for each in pooled if each.url.database == name]


def _close(name: str) -> None:
    for each in _of(name):
        each.dispose()


def _pool(engine: sa.Engine) -> sa.QueuePool:
    assert isinstance(engine.pool, sa.QueuePool)
    return engine.pool


def _idle(name: str) -> list[int]:
    """Return the server's processes behind the idle connections of our engines."""
    records = [record for each in _of(name) for record in _pool(each)._pool.queue]  # type: ignore[attr-defined]
    return [each.dbapi_connection.info.backend_pid for each in records if each.dbapi_connection]


def _shape(database: cursor) -> list[Any]:
    database.execute(_SHAPE)
    return database.fetchall()


def _vacuum(database: cursor) -> None:
    """Give the room of deleted rows back where they fill it."""
    database.execute(_SIZES)
    sizes = dict(database.fetchall())
    if sum(sizes.values()) > _FULL:
        database.execute(f"VACUUM {', '.join(name for name, size in sizes.items() if size)}")


def _let_go(name: str) -> None:
    if name in _kept:
        _kept.pop(name).close()


def _connect(name: str) -> connection:
    made = psycopg2.connect(address(name).replace("+psycopg2", ""))
    made.autocommit = True
    return made


@contextmanager
def _connected(name: str) -> Iterator[cursor]:
    with closing(_connect(name)) as made, made.cursor() as asked:
        yield asked


def add_revision(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> Callable[[], Config]:
    """Add a revision to the migrations of the code, from a file in a folder; return what makes their configuration."""
    from api.migrations import __main__ as program

    (folder / "9998_next.py").write_text(text, encoding="utf-8")
    shipped = program.config

    def extended() -> Config:
        made = shipped()
        made.set_main_option("path_separator", "newline")
        made.set_main_option("version_locations", f"{program.HERE / 'versions'}\n{folder}")
        return made

    monkeypatch.setattr(program, "config", extended)
    return extended
