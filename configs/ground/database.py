"""Connection parameters of the database, with each program's own rights."""

from configs.settings import Constant, settings
from configs.settings.common import Program

# Longest wait for one statement; a server that is frozen is given up on a fifth later
database_seconds = Constant("DATABASE_SECONDS", 60.0)

_DRIVER = "postgresql+psycopg2://"


def database_url(program: Program | None = None) -> str:
    """Return a program's own address (DATABASE_URL_<PROGRAM>: least privilege), else DATABASE_URL.

    Without an argument the process is what PROGRAM says. Plain `postgresql://` means psycopg 3 to
    SQLAlchemy 2.1, which is not installed: the driver is written in.

    Raises:
        configs.settings.SettingMissing: neither is set.
    """
    current = settings()
    program = program or current.program
    own = current.find_own_database(program) if program else None
    return _with_driver(own.get_secret_value() if own else current.require("database_url"))


def owner_url() -> str:
    """Return the address of migrations, whose login owns the tables: DATABASE_URL, whatever PROGRAM says.

    Raises:
        configs.settings.SettingMissing: it is not set.
    """
    return _with_driver(settings().require("database_url"))


def _with_driver(address: str) -> str:
    return _DRIVER + address.partition("://")[2]
