"""Retries of a migration: a lock that somebody holds, a server that restarts, another migration.

While a migration waits for a lock, every statement that comes after waits behind it. So it waits LOCK_SECONDS at most,
gives way, and tries again: https://www.postgresql.org/docs/18/explicit-locking.html
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg2
import sqlalchemy as sa

from configs.ground.database import owner_url
from configs.ground.database_errors import refuses_writes

LOCK_SECONDS = 2.0
PAUSE_SECONDS = 3.0
PATIENCE_SECONDS = 600.0
Result = TypeVar("Result")
_LOCKED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
# psycopg2 gives no code where a connection cannot be made, or breaks. The name of a container that is stopped leads
# nowhere meanwhile.
_AWAY = re.compile(
    "connection refused|could not translate host name|timeout expired|timed out|no route to host|unreachable"
    "|connection reset|starting up|shutting down|in recovery|not yet accepting|closed|terminating"
    "|too many clients|connection slots are reserved",
    re.IGNORECASE,
)
_TURN = 0x7264766D  # "rdvm"
_OLDEST = """
SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
  AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :turn)
ORDER BY xact_start LIMIT 1
"""


class MigrationFailed(RuntimeError):
    """A migration failed; the text says why, and what is done and what is not."""


class AnotherMigration(RuntimeError):
    """Another process migrates the same database."""


@contextmanager
def hold_turn() -> Iterator[None]:
    """Migrate alone: a second process waits until the first one has ended, with its dump.

    The lock is held by a transaction that does nothing else, never by the session: behind PgBouncer a session belongs
    to nobody. Between its statements such a transaction holds back neither VACUUM nor a concurrent index. The server
    ends the turn of a process that dies.

    Raises:
        MigrationFailed: it is another's still after PATIENCE_SECONDS, or the server cannot be asked.
    """
    with closing(run_with_retries(_take_turn)):
        yield


def _take_turn() -> Any:
    made = psycopg2.connect(owner_url().replace("+psycopg2", "", 1), connect_timeout=10)
    with made.cursor() as sql:
        # it is idle for as long as the dump and the migration take
        sql.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        sql.execute("SELECT pg_try_advisory_xact_lock(%s)", (_TURN,))
        if sql.fetchall()[0][0]:
            return made
    made.close()
    raise AnotherMigration("another migration is at work")


def run_with_retries(
    act: Callable[[], Result],
    say: Callable[[str], object] = print,
    describe_failure: Callable[[Exception], str] | None = None,
) -> Result:
    """Run a command on the tables, again where it met a held lock or a server that was away; return its result.

    Raises:
        MigrationFailed: it fails for another reason, or still after PATIENCE_SECONDS.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (sa.exc.DBAPIError, psycopg2.Error, AnotherMigration) as error:
            trouble = _describe_passing(error)
            if trouble is None or time.monotonic() > end:
                raise MigrationFailed((describe_failure or _describe_failure)(error)) from None
        say(f"{trouble}; tried again in {PAUSE_SECONDS:g} s")
        time.sleep(PAUSE_SECONDS)


def _describe_passing(error: Exception) -> str | None:
    """Return, in words, what another try may not meet any more; None for every other error."""
    orig = _find_cause(error)
    if isinstance(error, AnotherMigration):
        return str(error)
    if getattr(orig, "pgcode", None) in _LOCKED:
        return f"a lock was not free within {LOCK_SECONDS:g} s{_describe_oldest()}"
    if refuses_writes(error) or (isinstance(orig, psycopg2.OperationalError) and _AWAY.search(str(orig))):
        return f"PostgreSQL is away: {first_line(error)}"
    return None


def _describe_oldest() -> str:
    """Name the oldest transaction, which most probably holds the lock; nothing where none can be seen any more."""
    found = _ask(_OLDEST, turn=_TURN)  # our own turn holds no lock of a table
    if found is None:
        return ""
    process, age = found
    return f" (the oldest transaction is of process {process}, {age} s old: select pg_terminate_backend({process}))"


def _describe_failure(error: Exception) -> str:
    found = _ask("SELECT max(version_num) FROM alembic_version")
    at = f"the tables are of revision {found[0]}" if found else "the server does not say what was done"
    return (
        f"{first_line(error)}: nothing of this migration was done, {at};"
        " the same command goes on from there, once the cause is gone"
    )


def first_line(error: Exception) -> str:
    """Return what the server said, without its further lines."""
    return str(_find_cause(error)).strip().partition("\n")[0]


def _find_cause(error: Exception) -> BaseException:
    return error.orig or error if isinstance(error, sa.exc.DBAPIError) else error


def _ask(statement: str, **values: Any) -> tuple[Any, ...] | None:
    engine = sa.create_engine(owner_url(), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text(statement), values).one_or_none()
            return tuple(found) if found else None
    except sa.exc.DBAPIError:
        return None
