"""`python -m api.migrations upgrade|downgrade REVISION|logins|check|…`: the migrations of DATABASE_URL.

Where BACKUP_URL is set, `upgrade` waits for a dump first, unless `--without-backup` is among the arguments. With
`--logins` it makes the logins of the programs afterwards, as `logins` alone does.
"""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from alembic.config import CommandLine, Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from api.migrations import logins
from api.migrations.backup_first import BackupMissing, make_backup_first
from api.migrations.retries import MigrationFailed, hold_turn, run_with_retries
from api.migrations.tables import upgrade_tables
from api.models.revision import expected_revision
from configs.ground.database import owner_url
from configs.ground.startup import exit_on_config_error

HERE = Path(__file__).parent
_WITHOUT = "--without-backup"
_LOGINS = "--logins"


def config() -> Config:
    """Return Alembic's configuration; it needs no ini file."""
    made = Config(stdout=sys.stdout)  # at call time: Alembic binds its default when it is imported
    made.set_main_option("script_location", str(HERE))
    return made


@exit_on_config_error("api.migrations")
def main(arguments: list[str]) -> int:
    """Run one of Alembic's commands, or `logins`; `upgrade` alone makes the tables, or goes to the newest revision."""
    if arguments[:1] == ["logins"]:
        return logins.run(arguments[1:])
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
        with hold_turn() if changes else nullcontext():
            run = partial(line.run_cmd, config(), options)
            _run(script, arguments if changes else [], _upgrade if given == ["upgrade", "head"] else run)
    except (BackupMissing, MigrationFailed) as error:
        raise SystemExit(
            f"nothing was migrated: {error}" if isinstance(error, BackupMissing) else str(error)
        ) from None
    return logins.run([]) if _LOGINS in arguments else 0


def _run(script: ScriptDirectory, arguments: list[str], act: Callable[[], None]) -> None:
    """Run a command; an upgrade (its `arguments`) only where something is to be migrated, and after a dump."""
    if "upgrade" in arguments:
        if run_with_retries(partial(_has_newer_tables, script)):
            return
        if _WITHOUT not in arguments:
            run_with_retries(partial(make_backup_first, script))
    run_with_retries(act)


def _upgrade() -> None:
    upgrade_tables(config(), sa.create_engine(owner_url(), poolclass=sa.NullPool))


def _has_newer_tables(script: ScriptDirectory) -> bool:
    """Whether a newer version made the tables: this one works on them, as after a rollback, and has nothing to migrate.

    A server starts its programs after this command, so that it succeeds here.

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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
