"""Health names a backup that is too old, too small or damaged, and log that is not stored."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.admin.health import server_checks
from api.admin.health.findings import PartState
from api.admin.health.server_checks import SLOT
from api.models.backup_state import BackupPart, BackupState
from api.models.base import session
from configs.ground.clock import clock
from deploy.backup import database
from tests.api.admin.health.conftest import ask
from tests.factories import remove
from tests.in_turn import in_turn

HOUR = timedelta(hours=1)


def keep(part: BackupPart, age: timedelta = HOUR, **columns: Any) -> None:
    with session() as s:
        s.merge(BackupState(**{"part": part, "finished_at": clock() - age, "bytes": 100} | columns))


@pytest.fixture
def _whole(database: str, redis_server: Any, settings_env: Callable[..., None]) -> None:
    settings_env(DATABASE_URL=database, BACKUP_URL="/backups")
    keep_all()


def keep_all() -> None:
    remove(BackupState)
    for part in BackupPart:
        keep(part, timedelta(seconds=10) if part is BackupPart.WAL else HOUR)


def troubles() -> str:
    state, reason, _ = ask("backups")
    assert state is PartState.DEGRADED
    return reason


@pytest.mark.usefixtures("_whole")
def test_backups_that_are_well_say_how_far_they_reach() -> None:
    assert ask("backups").reason == "the log is stored up to 10 s ago, the base backup is of 60 min ago"
    assert SLOT == database.SLOT, "both programs mean the same slot"


@pytest.mark.usefixtures("database", "redis_server")
def test_without_a_store_it_says_so_and_before_the_first_backup_everything_is_missing(
    settings_env: Callable[..., None],
) -> None:
    assert ask("backups").reason == "nothing is backed up: BACKUP_URL is not set"
    settings_env(BACKUP_URL="/backups")
    assert troubles() == (
        "no log is stored yet: is `python -m deploy.backup run` running?; the base backup was not made yet;"
        " the dump was not made yet; the list of proofs was not made yet; the store was not made yet"
    )


@pytest.mark.usefixtures("_whole")
@in_turn(
    "part, age, columns, said",
    [
        (BackupPart.BASE, 27 * HOUR, {}, "the base backup is 27 h old"),
        (BackupPart.DUMP, 9 * 24 * HOUR, {}, "the dump is 9 d old"),
        (BackupPart.BASE, -5 * HOUR, {}, "the base backup is of 5 h from now: a clock is, or was, set wrong"),
        (BackupPart.BASE, HOUR, {"previous_bytes": 201}, "the base backup is less than half as large as the one before"),
        (BackupPart.DUMP, HOUR, {"bytes": 0, "previous_bytes": 9}, "the dump is less than half as large as the one before"),
        (BackupPart.WAL, 3 * HOUR, {}, "the log is stored up to 3 h ago: is `python -m deploy.backup run` running?"),
        (BackupPart.WAL, 3 * HOUR, {"trouble": "the store of backups takes nothing"}, "the log is stored up to 3 h ago: the store of backups takes nothing"),
        (BackupPart.STORE, HOUR, {"trouble": "base/x is not encrypted"}, "the store: base/x is not encrypted (for 60 min)"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(part: BackupPart, age: timedelta, columns: dict[str, Any], said: str) -> None:
    keep_all()
    since = {"trouble_since": clock() - HOUR} if "trouble" in columns else {}
    keep(part, age, **columns, **since)
    assert troubles() == said


@pytest.mark.usefixtures("_whole")
@in_turn(
    "waiting, limit, status, said",
    [
        (100, 1000, "extended", ""),
        (500, 1000, "extended", ""),
        (
            501,
            1000,
            "extended",
            "501 MB of log wait for the store on PostgreSQL's disk, which gives it up at 1,000 MB",
        ),
        (2047, 8192, "extended", ""),
        (
            1,
            -1,
            "reserved",
            "log that waits for the store may fill PostgreSQL's disk: set max_slot_wal_keep_size",
        ),
        (0, 0, "lost", "PostgreSQL gave up log that was not stored: that time cannot be restored"),
    ],
)
def test_log_that_waits_is_named_before_postgresql_gives_it_up_or_fills_its_disk(
    monkeypatch: pytest.MonkeyPatch, waiting: int, limit: int, status: str, said: str
) -> None:
    slot = f"SELECT {waiting << 20}::bigint, '{status}', {limit << 20}::bigint WHERE CAST(:slot AS text) IS NOT NULL"
    monkeypatch.setattr(server_checks, "_WAITING", sa.text(slot))
    assert ask("backups").state is (PartState.DEGRADED if said else PartState.OK)
    assert ask("backups").reason.startswith(said)
