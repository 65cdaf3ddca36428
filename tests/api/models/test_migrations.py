"""Migrations: new tables and those of earlier revisions become what the records say, and nothing else passes."""

import hashlib
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from api.migrations import __main__ as program
from api.migrations.__main__ import config, main
from api.migrations.retries import MigrationFailed
from api.models.base import session
from tests import databases
from tests.api.models.conftest import HEAD, NEXT
from tests.api.models.schema_changes import read_schema

FIRST = "0085"
_FIRST_DIGEST = "d8e6890a2985d9e1"  # pragma: allowlist secret
_ROUTINES = """
SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1
"""


@pytest.fixture
def new_database(database: str, settings_env: Callable[..., None]) -> Iterator[sa.Engine]:
    """Give an empty database, to which DATABASE_URL leads."""
    server = sa.create_engine(database, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    name = f"{server.url.database}_new"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
        settings_env(DATABASE_URL=databases.address(name))
        yield sa.create_engine(databases.address(name), poolclass=sa.NullPool)
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def digest(engine: sa.Engine) -> str:
    """Return a digest of all columns, rules, functions and triggers, whatever the order of columns."""
    with engine.connect() as connection:
        found = read_schema(connection)
        routines = connection.exec_driver_sql(_ROUTINES).scalars().all()
    lines = [
        *(f"{key} {column}" for key, column in found.columns.items()),
        *(f"{key} {rule.definition}" for key, rule in found.rules.items()),
        *routines,
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def revision_of(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_the_revisions_lead_from_what_the_tables_were_to_what_the_records_say(
    alembic: Config,
) -> None:
    engine: sa.Engine = alembic.attributes["engine"]
    made = digest(engine)
    command.downgrade(alembic, FIRST)
    assert digest(engine) == _FIRST_DIGEST, "tables changed: write a revision for the databases that exist"
    command.upgrade(alembic, "head")
    assert digest(engine) == made
    command.check(alembic)


def test_an_empty_database_is_complete_and_at_the_newest_revision(
    next_migration: Config, new_database: sa.Engine
) -> None:
    assert main(["upgrade"]) == 0
    made = program.config()
    made.attributes["engine"] = new_database
    command.check(made)
    assert revision_of(new_database) == NEXT


def test_a_database_of_an_earlier_revision_runs_the_later_ones(next_migration: Config) -> None:
    engine: sa.Engine = next_migration.attributes["engine"]
    assert revision_of(engine) == HEAD
    assert main(["upgrade"]) == 0
    command.check(next_migration)
    assert revision_of(engine) == NEXT


def test_a_revision_makes_no_tables_and_drops_none(alembic: Config, new_database: sa.Engine) -> None:
    with pytest.raises(MigrationFailed, match="no revision is older"):
        command.downgrade(alembic, "base")
    with pytest.raises(SystemExit, match="an empty database is made at the newest revision"):
        main(["upgrade", FIRST])
    assert sa.inspect(new_database).get_table_names() == []


def test_the_command_line_upgrades_by_itself(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade"]) == 0
    assert main(["current"]) == 0
    newest = ScriptDirectory.from_config(config()).get_current_head()
    assert f"{newest} (head)" in capsys.readouterr().out


@pytest.mark.usefixtures("database")
def test_every_foreign_key_has_an_index_of_its_own() -> None:
    query = """
        SELECT c.conrelid::regclass::text || '.' || a.attname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND NOT EXISTS (
            SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
    """
    with session() as s:
        missing = [row[0] for row in s.execute(sa.text(query))]
    assert missing == []
