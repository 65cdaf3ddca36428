"""Migrations: they agree with the models, and go up, down and up again."""

import os

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import IntegrityError

from api.migrations.__main__ import config, main
from api.models.all import RECORDS
from api.models.base import session


def tables(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return set(sa.inspect(engine).get_table_names())


def test_models_and_migrations_do_not_drift(alembic: Config) -> None:
    command.check(alembic)


def test_every_migration_goes_down_and_up_again(alembic: Config, database: str) -> None:
    command.downgrade(alembic, "base")
    assert tables(database) == {"alembic_version"}
    command.upgrade(alembic, "head")
    assert {record.__tablename__ for record in RECORDS} <= tables(database)


def test_the_command_line_upgrades_by_itself(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade"]) == 0
    assert main(["current"]) == 0
    newest = ScriptDirectory.from_config(config()).get_current_head()
    assert f"{newest} (head)" in capsys.readouterr().out


@pytest.mark.usefixtures("database")
def test_checks_have_no_default_partition() -> None:
    with session() as s, pytest.raises(IntegrityError, match="no partition"):
        s.execute(
            sa.text(
                "INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen,"
                " covered, process) VALUES ('1999-01-01', 'a/b', 'slots', '', 0, 0, 0, '[]', '')"
            )
        )


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


def test_the_template_is_ready_for_today(database: str) -> None:
    assert os.environ["DATABASE_URL"] == database
    assert any(name.startswith("checks_20") for name in tables(database))
