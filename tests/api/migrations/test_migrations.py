"""Migrations: what they make of new and of older tables, and what they do that cannot go on; code of the release before and after works."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from structlog.testing import capture_logs

from api.app import create_app
from api.jobs.__main__ import main as run_background
from api.migrations import __main__ as migrations
from api.migrations import __main__ as program
from api.migrations import retries, tables
from api.migrations.__main__ import BackupMissing, config, main, make_backup_first
from api.migrations.retries import MigrationFailed, run_with_retries
from api.migrations.tables import METADATA
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from api.models.revision import check_tables, expected_revision
from api.web.gunicorn_hooks import BEFORE_FORK
from configs.ground.clock import clock
from configs.programs.startup import NotReady
from crawler.loops import plan
from notifier.workers import main as run_notifier
from tests import databases
from tests.api.migrations.schema_changes import Schema, find_breaks, read_schema
from tests.factories import change, remove
from tests.waiting import until

FIRST = "0109"
_FIRST_DIGEST = "e44672f451b96db5"  # pragma: allowlist secret
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
    with new_database.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == NEXT


def test_a_revision_makes_no_tables_and_drops_none(alembic: Config, new_database: sa.Engine) -> None:
    with pytest.raises(MigrationFailed, match="no revision is older"):
        command.downgrade(alembic, "base")
    with pytest.raises(SystemExit, match="an empty database is made at the newest revision"):
        main(["upgrade", FIRST])
    assert sa.inspect(new_database).get_table_names() == []


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


_REVISION = "SELECT version_num FROM alembic_version"


@pytest.fixture
def older(next_migration: Config, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """Give a database before a migration that alters a table, and retries without long pauses."""
    monkeypatch.setattr(retries, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(retries, "LOCK_SECONDS", 0.1)
    engine: sa.Engine = next_migration.attributes["engine"]
    return engine


def ask(engine: sa.Engine, statement: str) -> object:
    with engine.connect() as connection:
        return connection.execute(sa.text(statement)).scalar()


def test_a_held_lock_is_waited_for_in_turns_that_let_others_through(
    older: sa.Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = older.connect()
    reader.execute(sa.text("SELECT count(*) FROM alerts"))  # its lock lasts as long as its transaction
    migration = threading.Thread(target=main, args=(["upgrade"],))
    migration.start()
    said = ""
    while said.count("tried again") < 2:
        assert migration.is_alive()
        with (
            older.connect() as other
        ):  # who comes meanwhile waits for as long as the migration does, not for ever
            other.execute(sa.text("SET statement_timeout = '60s'"))
            other.execute(sa.text("SELECT count(*) FROM alerts"))
        said += capsys.readouterr().out
    reader.close()
    migration.join(60)
    assert ask(older, _REVISION) == NEXT
    assert "canceling statement due to lock timeout; tried again in 0.05 s" in said


def test_a_lock_that_is_never_freed_ends_it_with_nothing_done(
    older: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "PATIENCE_SECONDS", 0.0)
    with older.connect() as reader:
        reader.execute(sa.text("SELECT count(*) FROM alerts"))
        with pytest.raises(SystemExit) as ended:
            main(["upgrade"])
    assert str(ended.value) == (
        "canceling statement due to lock timeout: nothing of this migration was done; the same command goes on from"
        " there, once the cause is gone"
    )


def test_a_migration_that_fails_half_way_did_nothing_and_goes_on_later(older: sa.Engine) -> None:
    with older.begin() as connection:  # the migration makes a table, then adds this column
        connection.execute(sa.text("ALTER TABLE alerts ADD colour text"))
    with pytest.raises(
        SystemExit,
        match=r'"colour" .* already exists: nothing of this migration was done; the same command',
    ):
        main(["upgrade"])
    assert ask(older, "SELECT to_regclass('colours')") is None
    with older.begin() as connection:
        connection.execute(sa.text("ALTER TABLE alerts DROP colour"))
    assert main(["upgrade"]) == 0
    assert ask(older, _REVISION) == NEXT


@pytest.mark.journey
def test_a_server_that_ends_the_connection_is_asked_again(older: sa.Engine) -> None:
    said: list[str] = []
    ends = iter([True, True, False])

    def act() -> None:
        with older.connect() as connection:
            if next(ends):
                connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
            connection.execute(sa.text("SELECT 1"))

    run_with_retries(act, said.append)
    assert len(said) == 2
    assert all("connection" in line and "; tried again in" in line for line in said)


def test_logins_without_a_server_end_in_one_line(
    settings_env: Callable[..., None], database: str, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setattr(retries, "PATIENCE_SECONDS", 0.0)
    away = sa.make_url(database).set(port=closed_port).render_as_string(hide_password=False)
    settings_env(DATABASE_URL=away, DATABASE_URL_API=away.replace("//", "//api_1:", 1), PROGRAM="api")
    with pytest.raises(
        SystemExit, match=r"refused: the logins are not complete; the same command.*$"
    ) as ended:
        main(["logins"])
    assert "\n" not in str(ended.value)


def test_a_wrong_password_is_not_tried_again(settings_env: Callable[..., None], database: str) -> None:
    wrong = sa.make_url(database).set(password="wrong").render_as_string(hide_password=False)
    settings_env(DATABASE_URL=wrong)
    said: list[str] = []
    with pytest.raises(MigrationFailed, match=r"authentication failed.*nothing of this migration was done"):
        run_with_retries(lambda: sa.create_engine(wrong).connect(), said.append)
    assert said == []


@pytest.fixture
def behind(next_migration: Config, settings_env: Callable[..., None]) -> None:
    """Give a database that lacks the newest migration, with a backup service at work."""
    url = next_migration.attributes["engine"].url.render_as_string(hide_password=False)
    settings_env(DATABASE_URL=url, BACKUP_URL="/backups", BACKUP_WAIT_SECONDS="60")
    with session() as s:
        s.add(BackupState(part=BackupPart.WAL, finished_at=clock()))


def script() -> ScriptDirectory:
    return ScriptDirectory.from_config(migrations.config())


def request() -> Any:
    with session() as s:
        return s.scalar(sa.select(BackupState.request).where(BackupState.part == BackupPart.MIGRATION))


@pytest.mark.usefixtures("behind")
def test_it_waits_until_its_own_request_is_answered() -> None:
    said: list[str] = []
    waiting = threading.Thread(target=make_backup_first, args=(script(), said.append))
    waiting.start()
    asked = until(request)
    assert waiting.is_alive()
    change(BackupState, BackupState.part == BackupPart.MIGRATION, answer=asked)
    waiting.join(60)
    assert said == ["waiting for the dump before this migration", "the dump is complete"]


@pytest.mark.usefixtures("behind")
def test_a_dump_that_fails_stops_the_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: float) -> None:
        change(
            BackupState,
            BackupState.part == BackupPart.MIGRATION,
            trouble="the store of backups takes nothing",
            trouble_since=clock(),
        )

    monkeypatch.setattr("api.migrations.__main__.time.sleep", fail)
    with pytest.raises(
        SystemExit, match=r"nothing was migrated: .*the store of backups takes nothing; --without-backup"
    ):
        main(["upgrade"])
    assert request() is not None


@pytest.mark.usefixtures("behind")
def test_a_service_that_does_not_work_is_named_at_once() -> None:
    remove(BackupState)
    with pytest.raises(
        BackupMissing, match=r"has stored no log yet: is `python -m deploy.backup run` running"
    ):
        make_backup_first(script())


def test_nothing_is_asked_for_where_nothing_is_migrated(
    database: str, settings_env: Callable[..., None]
) -> None:
    settings_env(DATABASE_URL=database, BACKUP_URL="/backups")
    make_backup_first(script(), pytest.fail)
    assert main(["upgrade"]) == 0


@pytest.mark.usefixtures("behind")
def test_tables_of_a_newer_version_are_left_alone_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with session() as s:
        s.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert main(["upgrade"]) == 0  # after a rollback the programs start once this command has succeeded
    assert capsys.readouterr().out == (
        "nothing was migrated: the tables are of revision 9999, newer than"
        f" {expected_revision()} of this version, which works on them, as after a rollback\n"
    )


@pytest.mark.usefixtures("behind")
def test_tables_of_another_line_of_versions_are_left_alone_in_one_line() -> None:
    with session() as s:
        s.execute(sa.text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(SystemExit) as caught:
        main(["upgrade", "--without-backup"])
    assert str(caught.value) == (
        "nothing was migrated: the tables are of revision 0000, of which this version knows nothing."
        " Run the version that made them, or restore a backup from before it"
    )


HEAD = expected_revision()
NEXT = "9998"
_NEXT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{next}", "{head}"


def upgrade():
    op.create_table("colours", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("alerts", sa.Column("colour", sa.Text))


def downgrade():
    op.drop_column("alerts", "colour")
    op.drop_table("colours")
"""


@pytest.fixture
def alembic(database: str) -> Iterator[Config]:
    made = config()
    engine = sa.create_engine(database, poolclass=sa.NullPool)
    made.attributes["engine"] = engine
    yield made
    engine.dispose()


@pytest.fixture
def next_migration(alembic: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Add a migration, and its records, to the code: a table and a column of alerts. The database lacks both."""
    extended = databases.add_revision(monkeypatch, tmp_path, _NEXT.format(next=NEXT, head=HEAD))
    records = sa.MetaData(naming_convention=METADATA.naming_convention)
    for table in METADATA.sorted_tables:
        table.to_metadata(records)
    records.tables["alerts"].append_column(sa.Column("colour", sa.Text))
    sa.Table("colours", records, sa.Column("id", sa.Integer, primary_key=True))
    monkeypatch.setattr(tables, "METADATA", records)
    made = extended()
    made.attributes.update(alembic.attributes)
    yield made
    engine: sa.Engine = made.attributes["engine"]
    with engine.connect() as connection:
        is_made = sa.inspect(connection).has_table("colours")
    with engine.begin() as connection:  # a database keeps its tables and revision for the next test
        connection.execute(
            sa.text("UPDATE alembic_version SET version_num = :it"), {"it": NEXT if is_made else HEAD}
        )
    if is_made:
        command.downgrade(made, HEAD)
