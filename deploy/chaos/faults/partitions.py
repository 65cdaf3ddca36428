"""A long reader of `checks` while a day of that table is made, as a nightly dump is at midnight."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.processes import until

WAITED = "longest that a check waited for a lock while checks was read and a day made, s"
LONGEST_WAIT = 1.0  # seconds
_WHILE = 12.0  # seconds that the day may take to be made, before the reader ends
_STARTS = 120.0  # seconds that the job may take on a busy machine
_LOOK = 0.02  # seconds
_NEWEST = sa.text(
    "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'checks'::regclass"
)
_WAITING = sa.text("""
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - waitstart)), 0) FROM pg_locks
WHERE NOT granted AND (relation = 'checks'::regclass
  OR relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'checks'::regclass))
""")


@fault(alone=True)
def read_checks_for_long(field: Field, _spell: Spell) -> None:
    """A transaction reads `checks` while its newest day is missing and a job makes it."""
    day = drop_newest_day(field.engine)
    with field.engine.connect() as reader, watched_locks(field.engine) as waits:
        reader.execute(sa.text("SELECT count(*) FROM checks"))
        field.outside.open(field.quiet_desk(), field.rng)
        end = time.monotonic() + _WHILE
        while newest_day(field.engine) != day and time.monotonic() < end:
            time.sleep(_LOOK)
        time.sleep(1)  # what was held up meanwhile is seen
    field.journal.measured(WAITED, max(waits, default=0.0))
    until(lambda: newest_day(field.engine) == day, f"the job has made {day} again", _STARTS)


def newest_day(engine: sa.Engine) -> str:
    """Return the name of the newest partition of `checks`."""
    with engine.connect() as connection:
        return str(connection.scalar(_NEWEST))


def drop_newest_day(engine: sa.Engine) -> str:
    """Drop the newest partition of `checks`, of a day to come; return its name. A check waits 0.1 s for it at most.

    Raises:
        TimeoutError: its lock could not be had.
    """
    day = newest_day(engine)

    def is_dropped() -> bool:
        try:
            with engine.begin() as connection:
                connection.execute(sa.text("SET LOCAL lock_timeout = 100"))
                connection.execute(sa.text(f"DROP TABLE {day}"))
        except sa.exc.OperationalError:
            return False
        return True

    until(is_dropped, f"{day} is dropped")
    return day


@contextmanager
def watched_locks(engine: sa.Engine) -> Iterator[list[float]]:
    """Collect the longest wait for a lock on `checks`, in seconds, at each look while the block lasts."""
    waits: list[float] = []
    over = threading.Event()

    def watch() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while not over.wait(_LOOK):
                waits.append(float(connection.execute(_WAITING).scalar_one()))

    thread = threading.Thread(target=watch, name="locks", daemon=True)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()
