"""Connection parameters of the database, with each program's own rights; the time-out of psycopg2's waits."""

import select
import time

from psycopg2 import OperationalError, extensions

from configs.settings import Program, settings
from configs.settings.constants import Constant

# Longest wait for one statement; a server that is frozen is given up on a fifth later
DATABASE_SECONDS = Constant("DATABASE_SECONDS", 60.0)

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
    own = getattr(current, f"database_url_{program}", None) if program else None
    return _with_driver(own.get_secret_value() if own else current.require("database_url"))


def owner_url() -> str:
    """Return the address of migrations, whose login owns the tables: DATABASE_URL, whatever PROGRAM says.

    Raises:
        configs.settings.SettingMissing: it is not set.
    """
    return _with_driver(settings().require("database_url"))


def _with_driver(address: str) -> str:
    return _DRIVER + address.partition("://")[2]


CONNECT_SECONDS = 3.0
_MARGIN = 1.2  # the server, if it lives, gives up first and says why


def wait_no_longer_than(seconds: float) -> None:
    """Have every statement of this process end with OperationalError, its connection closed, after `seconds` and some.

    The server bounds its statements itself, and the kernel notices a machine that vanished; neither helps against a
    stopped process, whose kernel goes on acknowledging. So psycopg2 waits here, where a clock runs.
    https://www.psycopg.org/docs/advanced.html#support-for-coroutine-libraries
    """

    def wait(connection: extensions.connection) -> None:
        connecting = connection.status == extensions.STATUS_SETUP
        until = time.monotonic() + (CONNECT_SECONDS if connecting else seconds * _MARGIN)
        while (state := connection.poll()) != extensions.POLL_OK:
            event = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
            if not is_ready(connection, until - time.monotonic(), event):
                raise OperationalError(
                    "PostgreSQL does not answer: is it stopped, or its machine overloaded?"
                )

    extensions.set_wait_callback(wait)


def is_ready(connection: extensions.connection, seconds: float = 0.0, event: int = select.POLLIN) -> bool:
    """Return whether a connection's socket can be read, or written, within so many seconds."""
    ready = select.poll()  # select() would refuse descriptors beyond 1023
    ready.register(connection.fileno(), event)
    return bool(ready.poll(max(0.0, seconds) * 1000))
