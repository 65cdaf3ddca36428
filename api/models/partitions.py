"""Daily partitions of the table `checks`, made ahead of time: an insert for a missing day fails.

There is no default partition: it would be scanned under a lock for each day that is made later.
A day is made apart and attached. `CREATE TABLE … PARTITION OF` waits for every reader of `checks` (a dump reads for
hours), and all writers wait behind it; `ATTACH PARTITION` waits for neither:
https://www.postgresql.org/docs/18/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

import re
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.settings import settings

_NAME = re.compile(r"checks_(\d{8})")
_LOCK = 0x72647671  # an advisory lock: two programs at once would make the same day
_ATTACHED = sa.text("""
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'checks'::regclass
""")
_CREATE = "CREATE TABLE IF NOT EXISTS {table} (LIKE checks INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
_ATTACH = (
    "ALTER TABLE checks ATTACH PARTITION {table} FOR VALUES FROM ('{day} 00:00+00') TO ('{end} 00:00+00')"
)


def is_partition(table: str) -> bool:
    """Return whether a table is one day of `checks`."""
    return bool(_NAME.fullmatch(table))


def make_partitions(session: Session, today: date, days: int | None = None) -> None:
    """Make the UTC days from yesterday to `days` ahead (None: PARTITION_DAYS) that are missing.

    The session's transaction should do nothing else: it locks `checks` until its end. Only other changes of the
    table's definition wait for that lock.

    Raises:
        sqlalchemy.exc.OperationalError: another change of the table kept the lock for PARTITION_LOCK_SECONDS
            (SQLSTATE 55P03). Nothing was made; try again later.
    """
    patience = round(settings().partition_lock_seconds * 1000)
    session.execute(sa.text(f"SET LOCAL lock_timeout = {patience}"))
    session.execute(sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    ahead = settings().partition_days if days is None else days
    missing = {today + timedelta(days=offset) for offset in range(-1, ahead + 1)} - _read_days(session)
    for day in sorted(missing):
        table, end = f"checks_{day:%Y%m%d}", day + timedelta(days=1)
        session.execute(sa.text(_CREATE.format(table=table)))
        session.execute(sa.text(_ATTACH.format(table=table, day=day, end=end)))


def count_days_ahead(session: Session, today: date) -> int:
    """Return the number of consecutive days after today that exist."""
    made, ahead = _read_days(session), 0
    while today + timedelta(days=ahead + 1) in made:
        ahead += 1
    return ahead


def _read_days(session: Session) -> set[date]:
    names = [_NAME.fullmatch(name) for name in session.scalars(_ATTACHED)]
    return {datetime.strptime(name[1], "%Y%m%d").date() for name in names if name}  # noqa: DTZ007 -- a UTC day
