"""A migration waits for a dump that begins after it was started, or says why there is none."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from api.migrations import __main__ as migrations
from api.migrations.__main__ import BackupMissing, main, make_backup_first
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from api.models.revision import expected_revision
from configs.ground.clock import clock
from tests.factories import change, remove
from tests.waiting import until


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
