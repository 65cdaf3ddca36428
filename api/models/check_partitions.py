"""Days of the table of checks: made ahead of time, and dropped.

The days of `checks` are made ahead of time: an insert for a missing day fails. There is no default partition: it would
be scanned under a lock for each day that is made later.
Functions of the database make and drop days (api/migrations/tables.py), because no program's role owns the table. A
day is made apart and attached. `CREATE TABLE … PARTITION OF` waits for every reader of `checks` (a dump reads for
hours), and all writers wait behind it; `ATTACH PARTITION` waits for neither:
https://www.postgresql.org/docs/18/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

import re
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.settings import Constant

# How many days of the table of checks are made ahead of time
_PARTITION_DAYS = 14
# Longest wait for the lock under which a day of the table of checks is made or dropped; then it is tried again later
partition_lock_seconds = Constant("PARTITION_LOCK_SECONDS", 0.1)

_NAME = re.compile(r"checks_(\d{8})")
_ATTACHED = sa.text("""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'checks'::regclass
""")
_MAKE = sa.text("SELECT make_check_days(:first, :last)")
_DROP = sa.text("SELECT drop_oldest_check_day(:before)")


def is_partition(table: str) -> bool:
    """Return whether a table is one day of `checks`."""
    return bool(_NAME.fullmatch(table))


def make_partitions(session: Session, today: date, days: int | None = None) -> int:
    """Make the UTC days from yesterday to `days` ahead (None: PARTITION_DAYS) that are missing; return their number.

    The session's transaction should do nothing else: it locks `checks` until its end. Only other changes of the
    table's definition wait for that lock.

    Raises:
        sqlalchemy.exc.OperationalError: another change of the table kept the lock for PARTITION_LOCK_SECONDS
            (SQLSTATE 55P03). Nothing was made; try again later.
    """
    _wait_no_longer(session)
    last = today + timedelta(days=_PARTITION_DAYS if days is None else days)
    made: int = session.scalar(_MAKE, {"first": today - timedelta(days=1), "last": last})
    return made


def drop_oldest_partition(session: Session, before: date) -> date | None:
    """Drop the oldest UTC day, if it is before `before`; return it.

    The session's transaction should do nothing else: readers and writers of `checks` wait for its end.

    Raises:
        sqlalchemy.exc.OperationalError: a reader or a writer kept the table for PARTITION_LOCK_SECONDS.
        sqlalchemy.exc.InternalError: `before` is less than 30 days ago, or `check_days` lacks checks of that day.
    """
    _wait_no_longer(session)
    dropped: date | None = session.scalar(_DROP, {"before": before})
    return dropped


def find_oldest_partition(session: Session) -> date | None:
    """Return the oldest UTC day that exists."""
    return min(_read_days(session), default=None)


def count_days_ahead(session: Session, today: date) -> int:
    """Return the number of consecutive days after today that exist."""
    made, ahead = _read_days(session), 0
    while today + timedelta(days=ahead + 1) in made:
        ahead += 1
    return ahead


def _wait_no_longer(session: Session) -> None:
    patience = round(partition_lock_seconds() * 1000)
    session.execute(sa.text(f"SET LOCAL lock_timeout = {patience}"))


def _read_days(session: Session) -> set[date]:
    names = [_NAME.fullmatch(name) for name in session.scalars(_ATTACHED)]
    return {datetime.strptime(name[1], "%Y%m%d").date() for name in names if name}  # noqa: DTZ007 -- a UTC day
