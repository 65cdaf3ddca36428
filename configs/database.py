"""Connection parameters of the database, with each program's own rights."""

from configs.settings import Program, settings

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
    own = getattr(current, f"database_url_{program}") if program else None
    address = own.get_secret_value() if own else current.require("database_url")
    return _DRIVER + address.partition("://")[2]
