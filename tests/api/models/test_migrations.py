"""Migrations: new tables and those of earlier revisions become what the records say; code of the release before and after works."""

import hashlib
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from structlog.testing import capture_logs

from api.app import create_app
from api.background.__main__ import main as run_background
from api.middleware.gunicorn_hooks import BEFORE_FORK
from api.migrations import __main__ as program
from api.migrations.__main__ import config, main
from api.migrations.retries import MigrationFailed
from api.models.base import session
from api.models.revision import check_tables, expected_revision
from configs.ground.startup import NotReady
from crawler.loops import plan
from notifier.workers import main as run_notifier
from tests import databases
from tests.api.models.conftest import NEXT
from tests.api.models.schema_changes import Schema, find_breaks, read_schema

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


def schema_of(alembic: Config) -> Schema:
    with alembic.attributes["engine"].connect() as connection:
        return read_schema(connection)


def test_no_migration_breaks_the_release_before_unless_it_says_why_it_may(alembic: Config) -> None:
    script = ScriptDirectory.from_config(alembic)
    first = script.get_base()
    assert first
    command.downgrade(alembic, first)
    before, unexcused = schema_of(alembic), {}
    for each in reversed(list(script.walk_revisions(first, "head"))):
        if each.revision == first:
            continue
        command.upgrade(alembic, each.revision)
        after = schema_of(alembic)
        if (breaks := find_breaks(before, after)) and not getattr(each.module, "CONTRACTS", ""):
            unexcused[each.revision] = breaks
        before = after
    assert unexcused == {}


@pytest.fixture
def put_revision(database: str) -> Iterator[Callable[[str], None]]:
    def put(revision: str) -> None:
        with session() as s:
            s.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": revision})

    yield put
    put(expected_revision())  # a database keeps its revision for the next test


def test_the_expected_revision_is_alembic_s_newest() -> None:
    assert expected_revision() == ScriptDirectory.from_config(config()).get_current_head()


@pytest.mark.usefixtures("redis_server")
@pytest.mark.parametrize(
    ("program", "start"),
    [
        ("the notifier", lambda: run_notifier([])),
        ("the background program", lambda: run_background([])),
        ("the planner", plan),
    ],
)
def test_a_program_does_not_start_on_older_tables(
    program: str, start: Callable[[], object], put_revision: Callable[[str], None]
) -> None:
    put_revision("0007")
    with pytest.raises(SystemExit) as ended:
        start()
    assert str(ended.value) == (
        f"{program} does not start: the tables are of revision 0007, this code needs {expected_revision()}:"
        " run `python -m api.migrations upgrade`"
    )


@pytest.mark.usefixtures("redis_server")
def test_the_api_asks_before_its_workers_fork(put_revision: Callable[[str], None]) -> None:
    put_revision("0007")
    first = create_app().extensions[BEFORE_FORK][0]
    with pytest.raises(NotReady, match="the tables are of revision 0007"):
        first()


def test_tables_that_are_not_there_are_said_to_be_missing(database: str) -> None:
    with session() as s:
        s.execute(sa.text("DROP TABLE alembic_version"))
    with pytest.raises(NotReady, match="the tables are not there"):
        check_tables()
    assert database


def test_old_code_says_that_the_tables_are_newer_and_starts(put_revision: Callable[[str], None]) -> None:
    put_revision("9999")
    with capture_logs() as lines:
        check_tables()
    (line,) = lines
    assert (line["tables"], line["code"]) == ("9999", expected_revision())


def test_a_server_that_is_away_stops_no_start(settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL="postgresql://nobody:x@127.0.0.1:1/none")
    check_tables()
