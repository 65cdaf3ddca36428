"""PostgreSQL advisory lock by which one of several processes runs a loop, run by run."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.ground.loop_report import FRESH


class LockHeldError(RuntimeError):
    """Another transaction has held the lock for longer than a look may take."""


class AdvisoryLock:
    """The lock `key`, held until the transaction ends; it remembers since when this process is shut out."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._held_since: datetime | None = None

    def take(self, rows: Session, now: datetime) -> bool:
        """Return whether this process has the lock; another that holds it for a moment does the work meanwhile.

        Raises:
            LockHeldError: every look for longer than FRESH found it held: its holder hangs.
        """
        if rows.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(self._key))):
            self._held_since = None
            return True
        self._held_since = min(self._held_since or now, now)
        if now - self._held_since > FRESH:
            raise LockHeldError(
                f"the advisory lock {self._key} has been held since {self._held_since:%H:%M:%S} UTC:"
                " end its holder, which pg_locks names"
            )
        return False
