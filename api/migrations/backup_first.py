"""The dump before a migration: the backup service makes it, a migration waits until it is complete.

This program has neither PostgreSQL's tools nor the key to the store, so it asks by a row in `backup_states`.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from api.models.backup_state import BACKUP_LATE_SECONDS
from configs.ground.database import owner_url
from configs.ground.formatting import format_duration
from configs.settings import settings
from configs.settings.constants import Constant

# How long a migration waits for the dump before it
_BACKUP_WAIT_SECONDS = Constant("BACKUP_WAIT_SECONDS", 3600.0)

_ASK = sa.text("""
INSERT INTO backup_states AS b (part, request) VALUES ('migration', :request)
ON CONFLICT (part) DO UPDATE SET request = excluded.request, trouble = NULL, trouble_since = NULL
""")
_LOOK = sa.text("SELECT answer = :request AS done, trouble FROM backup_states WHERE part = 'migration'")
_SERVICE = sa.text("SELECT clock_timestamp() - finished_at FROM backup_states WHERE part = 'wal'")
_STEP = 0.5  # seconds
_WITHOUT = "--without-backup goes on without one"


class BackupMissing(RuntimeError):
    """No backup was made; the text says why, and what to do."""


def make_backup_first(script: ScriptDirectory, say: Callable[[str], object] = print) -> None:
    """Wait until a dump is complete that begins now; nothing is done where nothing would be migrated.

    Raises:
        BackupMissing: none is made.
    """
    if settings().backup_url is None:
        return
    engine = sa.create_engine(owner_url(), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is None or current == script.get_current_head():
            return
        _wait(connection, say)


def _wait(connection: sa.Connection, say: Callable[[str], object]) -> None:
    _check_service(connection)
    request = {"request": uuid4()}
    connection.execute(_ASK, request)
    say("waiting for the dump before this migration")
    end = time.monotonic() + _BACKUP_WAIT_SECONDS()
    while time.monotonic() < end:
        found: Any = connection.execute(_LOOK, request).one_or_none()
        if found and found.done:
            say("the dump is complete")
            return
        if found and found.trouble:
            raise BackupMissing(f"the dump before this migration fails: {found.trouble}; {_WITHOUT}")
        time.sleep(_STEP)
    raise BackupMissing(f"no dump was made in {_BACKUP_WAIT_SECONDS():.0f} s; {_WITHOUT}")


def _check_service(connection: sa.Connection) -> None:
    """Refuse at once where the service is not at work,."""
    age: timedelta | None = connection.execute(_SERVICE).scalar()
    if age is None or age > timedelta(seconds=BACKUP_LATE_SECONDS):
        since = f"stored no log for {format_duration(age)}" if age else "has stored no log yet"
        raise BackupMissing(
            f"the backup service {since}: is `python -m deploy.backup run` running? {_WITHOUT}"
        )
