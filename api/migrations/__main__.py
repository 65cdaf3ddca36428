"""`python -m api.migrations upgrade|downgrade REVISION|check|…`: the migrations of DATABASE_URL."""

import sys
from pathlib import Path

from alembic.config import CommandLine, Config

from configs.startup import exit_on_config_error

HERE = Path(__file__).parent


def config() -> Config:
    """Return Alembic's configuration; it needs no ini file."""
    made = Config(stdout=sys.stdout)  # at call time: Alembic binds its default when it is imported
    made.set_main_option("script_location", str(HERE))
    return made


@exit_on_config_error("api.migrations")
def main(arguments: list[str]) -> int:
    """Run one of Alembic's commands; `upgrade` alone goes to the newest revision."""
    line = CommandLine(prog="python -m api.migrations")
    options = line.parser.parse_args(arguments if arguments != ["upgrade"] else ["upgrade", "head"])
    if not hasattr(options, "cmd"):
        line.parser.error("a command is needed: upgrade, downgrade, check, revision, history, current")
    line.run_cmd(config(), options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
