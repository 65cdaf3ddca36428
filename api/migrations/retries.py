"""Retries of a migration: a lock that somebody holds, such as another migration, or a server that restarts.

While a migration waits for a lock, every statement that comes after waits behind it. So it waits LOCK_SECONDS at most,
gives way, and tries again: https://www.postgresql.org/docs/18/explicit-locking.html
"""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2
import sqlalchemy as sa

from api.models.revision import REFUSED_LOGIN
from configs.ground.database_errors import passes

LOCK_SECONDS = 2.0
PAUSE_SECONDS = 3.0
PATIENCE_SECONDS = 600.0
Result = TypeVar("Result")
_UNDONE = "nothing of this migration was done; the same command goes on from there, once the cause is gone"


class MigrationFailed(RuntimeError):
    """A migration failed; the text says why, and what is done and what is not."""


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
