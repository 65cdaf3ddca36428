"""Retries of a migration: a lock that somebody holds, a server that restarts, another migration.

While a migration waits for a lock, every statement that comes after waits behind it. So it waits LOCK_SECONDS at most,
gives way, and tries again: https://www.postgresql.org/docs/18/explicit-locking.html
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg2
import sqlalchemy as sa

from api.models.revision import REFUSED_LOGIN
from configs.ground.database import owner_url
from configs.ground.database_errors import passes

LOCK_SECONDS = 2.0
PAUSE_SECONDS = 3.0
PATIENCE_SECONDS = 600.0
Result = TypeVar("Result")
_TURN = 0x7264766D  # "rdvm"
_UNDONE = "nothing of this migration was done; the same command goes on from there, once the cause is gone"


class MigrationFailed(RuntimeError):
    """A migration failed; the text says why, and what is done and what is not."""


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
    try:
        with made.cursor() as sql:
            # it is idle for as long as the dump and the migration take
            sql.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            sql.execute("SET LOCAL lock_timeout = %s", (round(LOCK_SECONDS * 1000),))
            sql.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
    except psycopg2.Error:
        made.close()
        raise
    return made


def run_with_retries(
    act: Callable[[], Result], say: Callable[[str], object] = print, undone: str = _UNDONE
) -> Result:
    """Run a command on the tables, again where it met a held lock or a server that was away; return its result.

    `undone` says what is left where it fails.

    Raises:
        MigrationFailed: it fails for another reason, or still after PATIENCE_SECONDS.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return act()
        except (sa.exc.DBAPIError, psycopg2.Error) as error:
            # What the server said, without its further lines
            cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
            if not passes(error) or REFUSED_LOGIN.search(cause) or time.monotonic() > end:
                raise MigrationFailed(f"{cause}: {undone}") from None
        say(f"{cause}; tried again in {PAUSE_SECONDS:g} s")
        time.sleep(PAUSE_SECONDS)
