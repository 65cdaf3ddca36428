"""Checks: a row each, in daily partitions, and their sums of a day.

The days of `checks` are made ahead of time: an insert for a missing day fails. There is no default partition: it would
be scanned under a lock for each day that is made later.
Functions of the database make and drop days (api/migrations/tables.py), because no program's role owns the table. A
day is made apart and attached. `CREATE TABLE … PARTITION OF` waits for every reader of `checks` (a dump reads for
hours), and all writers wait behind it; `ATTACH PARTITION` waits for neither:
https://www.postgresql.org/docs/18/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

import re
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from api.models.base import Base, enum_column
from configs.settings import Constant
from configs.world.desk import Outcome

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


class Check(Base):
    """One visit to one desk. No foreign key points here, so that whole days can be dropped."""

    __tablename__ = "checks"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    desk_id: Mapped[str]
    token: Mapped[int | None] = mapped_column(sa.BigInteger)
    outcome: Mapped[Outcome] = mapped_column(enum_column(Outcome, "outcome"))
    evidence: Mapped[str]
    milliseconds: Mapped[int]
    requests: Mapped[int] = mapped_column(sa.SmallInteger)
    slots_seen: Mapped[int]
    covered: Mapped[list[Any]]
    process: Mapped[str]
    error: Mapped[str | None]
    proof_key: Mapped[str | None]
    # asked whether a stale address lives: it counts in nothing but that (crawler/recording/probe_results.py)
    probe: Mapped[bool] = mapped_column(default=False, server_default=sa.false())

    __table_args__ = (
        sa.CheckConstraint("milliseconds >= 0 AND requests >= 0 AND slots_seen >= 0", name="counts"),
        sa.Index("ix_checks_desk_id_started_at", "desk_id", sa.text("started_at DESC")),
        sa.Index("ix_checks_started_at", "started_at"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )


class CheckDay(Base):
    """One desk and one UTC day. Days of desks that were scheduled have a row, checked or not. Intervals in seconds."""

    __tablename__ = "check_days"

    desk_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    checks: Mapped[int]
    proven: Mapped[int]  # checks that proved slots or their absence
    outcomes: Mapped[dict[str, Any]]  # outcome → number of checks
    achieved_seconds: Mapped[float | None]  # median between two proven answers; null with fewer than two
    promised_seconds: Mapped[float | None]  # what plan and host allowed when the day was last summed up
    openings: Mapped[int]  # detections
    # Of a person for a detection, accepted that day
    alerts: Mapped[int] = mapped_column(default=0, server_default="0")
    # Answers given that day, by value; they outlive the accounts
    found: Mapped[int] = mapped_column(default=0, server_default="0")
    too_late: Mapped[int] = mapped_column(default=0, server_default="0")
    nothing_there: Mapped[int] = mapped_column(default=0, server_default="0")
    stopped: Mapped[int] = mapped_column(default=0, server_default="0")
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("checks >= proven AND proven >= 0 AND openings >= 0", name="counts"),
        sa.Index("ix_check_days_day", "day"),
    )


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
