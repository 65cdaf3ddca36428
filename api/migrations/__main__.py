"""`python -m api.migrations upgrade|downgrade REVISION|check|…`: the migrations of DATABASE_URL.

Where BACKUP_URL is set, `upgrade` waits for a dump first, unless `--without-backup` is among the arguments.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from alembic.config import CommandLine, Config
from alembic.script import ScriptDirectory

from api.migrations.backup_first import BackupMissing, make_backup_first
from api.migrations.retries import MigrationFailed, run_with_retries
from configs.startup import exit_on_config_error

HERE = Path(__file__).parent
_WITHOUT = "--without-backup"


def config() -> Config:
    """Return Alembic's configuration; it needs no ini file."""
    made = Config(stdout=sys.stdout)  # at call time: Alembic binds its default when it is imported
    made.set_main_option("script_location", str(HERE))
    return made


@exit_on_config_error("api.migrations")
def main(arguments: list[str]) -> int:
    """Run one of Alembic's commands; `upgrade` alone goes to the newest revision."""
    line = CommandLine(prog="python -m api.migrations")
    given = [each for each in arguments if each != _WITHOUT]
    options = line.parser.parse_args(given if given != ["upgrade"] else ["upgrade", "head"])
    if not hasattr(options, "cmd"):
        line.parser.error("a command is needed: upgrade, downgrade, check, revision, history, current")
    if given[:1] == ["upgrade"] and _WITHOUT not in arguments:
        _try(partial(make_backup_first, ScriptDirectory.from_config(config())))
    _try(lambda: line.run_cmd(config(), options))
    return 0


def _try(act: Callable[[], object]) -> None:
    try:
        run_with_retries(act)
    except (BackupMissing, MigrationFailed) as error:
        raise SystemExit(
            f"nothing was migrated: {error}" if isinstance(error, BackupMissing) else str(error)
        ) from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
