"""Settings of a program's database sessions: kept with its login, and set after connecting where the login has others.

They are no start-up `options` of the connection, because PgBouncer refuses those. `python -m api.migrations logins`
gives them to each program's login, so that a session begins with them. A login without them (a developer's plain
DATABASE_URL) or with older ones gets them in the one statement that compares them.
"""

import select
import time
from typing import Any

from psycopg2 import OperationalError, extensions

from configs.ground.database import database_seconds
from configs.settings import settings
from configs.settings.common import Program

# Our statements are short and many. Starting the workers of a parallel plan takes longer than all of matching, and so
# does compiling a plan. PostgreSQL chooses both by estimated costs, which may be wrong
# (https://www.postgresql.org/docs/18/when-can-parallel-query-be-used.html, …/jit-decision.html).
_PLANS = {"max_parallel_workers_per_gather": "0", "jit": "off"}
# The notifier's statements, foreign keys too, find their rows by index. A connection keeps its plans: one made while a
# table was nearly empty scans it for every row of a crowd until the next ANALYZE, which takes ten times as long for
# 10,000 people on a young database. Bitmaps of two indexes are as bad: to join those of an alert and a detection, all
# 10,000 matches of the detection were read for each alert. Where tables fit in memory, or lie on an SSD, to look up 300
# contacts costs less than to read all of them.
# https://www.postgresql.org/docs/18/runtime-config-query.html
_INDEXES = {"enable_seqscan": "off", "enable_bitmapscan": "off", "random_page_cost": "1.1"}
# A process that is stopped in a transaction keeps its rows locked, since its kernel answers for the connection; one of
# a paused machine does for two hours, the period of TCP's keepalive. Our transactions wait for the database alone.
IDLE_SECONDS = 30.0
_READ_ONLY = {"default_transaction_read_only": "on"}
_UNITS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000}  # milliseconds
CONNECT_SECONDS = 3.0
_MARGIN = 1.2  # the server, if it lives, gives up first and says why


def list_session_options(program: Program | None, seconds: float) -> dict[str, str]:
    """Return the settings of a program's sessions, by name, as PostgreSQL shows them. `seconds`: DATABASE_SECONDS.

    The backups' own are PostgreSQL's: a dump takes as long as it takes.
    """
    if program == "backup":
        return {}
    return {
        "TimeZone": "UTC",
        "statement_timeout": _format_milliseconds(round(seconds * 1000)),
        "idle_in_transaction_session_timeout": _format_milliseconds(round(IDLE_SECONDS * 1000)),
        **_PLANS,
        **(_INDEXES if program == "notifier" else {}),
        **(_READ_ONLY if program == "reader" else {}),
    }


def set_session_options(connection: Any, _record: object) -> None:
    """Set what a new connection of psycopg2's has otherwise, in one round trip."""
    options = list_session_options(settings().program, database_seconds())
    if not options:
        return
    rows = ", ".join(["(%s, %s)"] * len(options))
    statement = (
        f"SELECT set_config(name, wanted, false) FROM (VALUES {rows}) AS options (name, wanted)"  # noqa: S608
        " WHERE current_setting(name) <> wanted"
    )
    connection.autocommit = True  # outside of a transaction, whose end could undo them
    with connection.cursor() as cursor:
        cursor.execute(statement, [text for option in options.items() for text in option])
    connection.autocommit = False


def _format_milliseconds(number: int) -> str:
    """Return a time as PostgreSQL shows it: in the largest unit that divides it."""
    unit = next((each for each, size in _UNITS.items() if number and number % size == 0), None)
    return f"{number // _UNITS[unit]}{unit}" if unit else f"{number}{'ms' if number else ''}"


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
