"""Retries of a migration: a lock that somebody holds, a server that restarts.

While a migration waits for a lock, every statement that comes after waits behind it. So it waits LOCK_SECONDS at most,
gives way, and tries again: https://www.postgresql.org/docs/18/explicit-locking.html
"""

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg2
import sqlalchemy as sa

from configs.database import owner_url

LOCK_SECONDS = 2.0
PAUSE_SECONDS = 3.0
PATIENCE_SECONDS = 600.0
Result = TypeVar("Result")
_LOCKED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
# psycopg2 gives no code where a connection cannot be made, or breaks.
_AWAY = re.compile(
    "connection refused|starting up|shutting down|closed the connection|terminating", re.IGNORECASE
)
_OLDEST = """
SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
ORDER BY xact_start LIMIT 1
"""


class MigrationFailed(RuntimeError):
    """A migration failed; the text says why, and what is done and what is not."""


def run_with_retries(act: Callable[[], Result], say: Callable[[str], object] = print) -> Result:
    """Run a command on the tables, again where it met a held lock or a server that was away; return its result.

    Raises:
        MigrationFailed: it fails for another reason, or still after PATIENCE_SECONDS.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except sa.exc.DBAPIError as error:
            trouble = _describe_passing(error)
            if trouble is None or time.monotonic() > end:
                raise MigrationFailed(_describe_failure(error)) from None
        say(f"{trouble}; tried again in {PAUSE_SECONDS:g} s")
        time.sleep(PAUSE_SECONDS)


def _describe_passing(error: sa.exc.DBAPIError) -> str | None:
    """Return, in words, what another try may not meet any more; None for every other error."""
    if getattr(error.orig, "pgcode", None) in _LOCKED:
        return f"a lock was not free within {LOCK_SECONDS:g} s{_describe_oldest()}"
    if isinstance(error.orig, psycopg2.OperationalError) and _AWAY.search(str(error.orig)):
        return f"PostgreSQL is away: {_first_line(error)}"
    return None


def _describe_oldest() -> str:
    """Name the oldest transaction, which most probably holds the lock; nothing where none can be seen any more."""
    found = _ask(_OLDEST)
    if found is None:
        return ""
    process, age = found
    return f" (the oldest transaction is of process {process}, {age} s old: select pg_terminate_backend({process}))"


def _describe_failure(error: sa.exc.DBAPIError) -> str:
    found = _ask("SELECT max(version_num) FROM alembic_version")
    at = f"the tables are of revision {found[0]}" if found else "the server does not say what was done"
    return (
        f"{_first_line(error)}: nothing of this migration was done, {at};"
        " the same command goes on from there, once the cause is gone"
    )


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def _ask(statement: str) -> tuple[Any, ...] | None:
    engine = sa.create_engine(owner_url(), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text(statement)).one_or_none()
            return tuple(found) if found else None
    except sa.exc.DBAPIError:
        return None
