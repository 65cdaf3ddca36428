"""`python -m api.migrations upgrade|downgrade REVISION|logins|check|…`: the migrations of DATABASE_URL.

Where BACKUP_URL is set, `upgrade` waits for a dump first, unless `--without-backup` is among the arguments. With
`--logins` it makes the logins of the programs afterwards, as `logins` alone does.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from alembic.config import CommandLine, Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from api.migrations import logins
from api.migrations.backup_first import BackupMissing, make_backup_first
from api.migrations.retries import MigrationFailed, run_with_retries
from api.models.revision import expected_revision
from configs.database import owner_url
from configs.startup import exit_on_config_error

HERE = Path(__file__).parent
_WITHOUT = "--without-backup"
_LOGINS = "--logins"
Result = TypeVar("Result")


def config() -> Config:
    """Return Alembic's configuration; it needs no ini file."""
    made = Config(stdout=sys.stdout)  # at call time: Alembic binds its default when it is imported
    made.set_main_option("script_location", str(HERE))
    return made


@exit_on_config_error("api.migrations")
def main(arguments: list[str]) -> int:
    """Run one of Alembic's commands, or `logins`; `upgrade` alone goes to the newest revision."""
    if arguments[:1] == ["logins"]:
        return logins.run(arguments[1:])
    line = CommandLine(prog="python -m api.migrations")
    given = [each for each in arguments if each not in (_WITHOUT, _LOGINS)]
    options = line.parser.parse_args(given if given != ["upgrade"] else ["upgrade", "head"])
    if not hasattr(options, "cmd"):
        line.parser.error(
            "a command is needed: upgrade, downgrade, logins, check, revision, history, current"
        )
    script = ScriptDirectory.from_config(config())
    upgrades = given[:1] == ["upgrade"]
    if upgrades and "--sql" not in given and _try(partial(_has_newer_tables, script)):
        return 0
    if upgrades and _WITHOUT not in arguments:
        _try(partial(make_backup_first, script))
    _try(lambda: line.run_cmd(config(), options))
    return logins.run([]) if _LOGINS in arguments else 0


def _try(act: Callable[[], Result]) -> Result:
    try:
        return run_with_retries(act)
    except (BackupMissing, MigrationFailed) as error:
        raise SystemExit(
            f"nothing was migrated: {error}" if isinstance(error, BackupMissing) else str(error)
        ) from None


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
