"""`python -m api.migrations upgrade|downgrade REVISION|logins|check|…`: the migrations of DATABASE_URL.

Where BACKUP_URL is set, `upgrade` waits for a dump first, unless `--without-backup` is among the arguments. With
`--logins` it makes the logins of the programs afterwards, as `logins` alone does.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from alembic.config import CommandLine, Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from api.migrations import logins
from api.migrations.backup_first import BackupMissing, make_backup_first
from api.migrations.retries import MigrationFailed, run_with_retries
from configs.database import owner_url
from configs.startup import exit_on_config_error

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
    if given[:1] == ["upgrade"] and "--sql" not in given:
        _try(partial(_refuse_newer_tables, ScriptDirectory.from_config(config())))
    if given[:1] == ["upgrade"] and _WITHOUT not in arguments:
        _try(partial(make_backup_first, ScriptDirectory.from_config(config())))
    _try(lambda: line.run_cmd(config(), options))
    return logins.run([]) if _LOGINS in arguments else 0


def _try(act: Callable[[], object]) -> None:
    try:
        run_with_retries(act)
    except (BackupMissing, MigrationFailed) as error:
        raise SystemExit(
            f"nothing was migrated: {error}" if isinstance(error, BackupMissing) else str(error)
        ) from None


def _refuse_newer_tables(script: ScriptDirectory) -> None:
    """Stop where a newer version made the tables: a backup of it was restored, or the code was rolled back.

    Raises:
        SystemExit: it did; the text says what to do.
    """
    engine = sa.create_engine(owner_url(), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_heads()
    try:
        for revision in found:
            script.get_revision(revision)
    except CommandError:
        raise SystemExit(
            f"nothing was migrated: the tables are of revision {', '.join(found)}, of which this version knows nothing."
            " Run the version that made them, or restore a backup from before it"
        ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
