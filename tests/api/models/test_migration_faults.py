"""Migrations that cannot go on: a held lock, a server that breaks off, a failure half-way."""

import threading
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from alembic.config import Config

from api.migrations import retries
from api.migrations.__main__ import main
from api.migrations.retries import MigrationFailed, hold_turn, run_with_retries
from api.models.revision import expected_revision
from tests.api.models.conftest import NEXT
from tests.waiting import until

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


def test_a_second_migration_waits_for_the_first(older: sa.Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with hold_turn():
        second = threading.Thread(target=main, args=(["upgrade"],))
        second.start()
        until(lambda: second.is_alive() and "lock timeout; tried again" in capsys.readouterr().out)
        assert ask(older, _REVISION) == expected_revision()
    second.join(60)
    assert ask(older, _REVISION) == NEXT


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
