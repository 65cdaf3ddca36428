"""`python -m api.migrations upgrade|downgrade REVISION|logins|check|…`: the migrations of DATABASE_URL.

Where BACKUP_URL is set, `upgrade` waits for a dump first, unless `--without-backup` is among the arguments. The backup
service makes it: this program has neither PostgreSQL's tools nor the key to the store, so it asks by a row in
`backup_states`. With `--logins` it makes the logins of the programs afterwards, as `logins` alone does.
"""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic.config import CommandLine, Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from api.migrations import logins
from api.migrations.retries import MigrationFailed, run_with_retries
from api.migrations.tables import upgrade_tables
from api.models.backup_state import BACKUP_LATE_SECONDS
from api.models.revision import expected_revision
from configs.ground.database import owner_url
from configs.ground.text import format_duration
from configs.programs.startup import exit_on_config_error
from configs.settings import Constant, settings

HERE = Path(__file__).parent
_WITHOUT = "--without-backup"
_LOGINS = "--logins"
# How long a migration waits for the dump before it
_backup_wait_seconds = Constant("BACKUP_WAIT_SECONDS", 3600.0)

_ASK = sa.text("""
INSERT INTO backup_states AS b (part, request) VALUES ('migration', :request)
ON CONFLICT (part) DO UPDATE SET request = excluded.request, trouble = NULL, trouble_since = NULL
""")
_LOOK = sa.text("SELECT answer = :request AS done, trouble FROM backup_states WHERE part = 'migration'")
_SERVICE = sa.text("SELECT clock_timestamp() - finished_at FROM backup_states WHERE part = 'wal'")
_STEP = 0.5  # seconds


def config() -> Config:
    """Return Alembic's configuration; it needs no ini file."""
    made = Config(stdout=sys.stdout)  # at call time: Alembic binds its default when it is imported
    made.set_main_option("script_location", str(HERE))
    return made


@exit_on_config_error("api.migrations")
def main(arguments: list[str]) -> int:
    """Run one of Alembic's commands, or `logins`; `upgrade` alone makes the tables, or goes to the newest revision."""
    if arguments == ["logins"]:
        return logins.run()
    line = CommandLine(prog="python -m api.migrations")
    given = [each for each in arguments if each not in (_WITHOUT, _LOGINS)]
    given = ["upgrade", "head"] if given == ["upgrade"] else given
    options = line.parser.parse_args(given)
    if not hasattr(options, "cmd"):
        line.parser.error(
            "a command is needed: upgrade, downgrade, logins, check, revision, history, current"
        )
    script = ScriptDirectory.from_config(config())
    changes = given[:1] in (["upgrade"], ["downgrade"]) and "--sql" not in given
    try:
        run = partial(line.run_cmd, config(), options)
        _run(script, arguments if changes else [], _upgrade if given == ["upgrade", "head"] else run)
    except (BackupMissing, MigrationFailed) as error:
        raise SystemExit(
            f"nothing was migrated: {error}" if isinstance(error, BackupMissing) else str(error)
        ) from None
    return logins.run() if _LOGINS in arguments else 0


def _run(script: ScriptDirectory, arguments: list[str], act: Callable[[], None]) -> None:
    """Run a command; an upgrade (named in `arguments`) only if there is something to migrate, and after a dump."""
    if "upgrade" in arguments:
        if run_with_retries(partial(_has_newer_tables, script)):
            return
        if _WITHOUT not in arguments:
            run_with_retries(partial(make_backup_first, script))
    run_with_retries(act)


def _upgrade() -> None:
    upgrade_tables(config(), sa.create_engine(owner_url(), poolclass=sa.NullPool))


def _has_newer_tables(script: ScriptDirectory) -> bool:
    """Return whether a newer version made the tables, as after a rollback: then this one has nothing to migrate.

    The command then succeeds, because a server starts its programs only after that.

    Raises:
        SystemExit: the revision is neither of this version nor of a newer one; the text says what to do.
    """
    engine = sa.create_engine(owner_url(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    try:
        for revision in found:
            script.get_revision(revision)
    except CommandError:
        of = f"nothing was migrated: the tables are of revision {', '.join(found)}"
        if min(found) > expected_revision():
            own = f"{expected_revision()} of this version, which works on them, as after a rollback"
            sys.stdout.write(f"{of}, newer than {own}\n")
            return True
        raise SystemExit(
            f"{of}, of which this version knows nothing."
            " Run the version that made them, or restore a backup from before it"
        ) from None
    return False


class BackupMissing(RuntimeError):
    """No backup was made; the text says why, and what to do."""


def make_backup_first(script: ScriptDirectory, say: Callable[[str], object] = print) -> None:
    """Ask for a dump and wait until it is complete; do nothing if there is nothing to migrate.

    Raises:
        BackupMissing: no dump was made.
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
    end = time.monotonic() + _backup_wait_seconds()
    while time.monotonic() < end:
        found: Any = connection.execute(_LOOK, request).one_or_none()
        if found and found.done:
            say("the dump is complete")
            return
        if found and found.trouble:
            raise BackupMissing(
                f"the dump before this migration fails: {found.trouble}; {_WITHOUT} goes on without one"
            )
        time.sleep(_STEP)
    raise BackupMissing(f"no dump was made in {_backup_wait_seconds():.0f} s; {_WITHOUT} goes on without one")


def _check_service(connection: sa.Connection) -> None:
    """Raise BackupMissing at once if the backup service does not run."""
    age: timedelta | None = connection.execute(_SERVICE).scalar()
    if age is None or age > timedelta(seconds=BACKUP_LATE_SECONDS):
        since = f"stored no log for {format_duration(age)}" if age else "has stored no log yet"
        raise BackupMissing(
            f"the backup service {since}: is `python -m deploy.backup run` running? {_WITHOUT} goes on without one"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
