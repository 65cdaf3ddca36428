"""The days of the table `checks`: made ahead of time, because a missing day fails the insert.

There is no default partition: one would block making a day later, and detaching concurrently.
"""

import re
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

DAYS_AHEAD = 14
_NAME = re.compile(r"checks_\d{8}")


def is_partition(table: str) -> bool:
    """Whether a table is one day of `checks`."""
    return bool(_NAME.fullmatch(table))


def make_partitions(session: Session, today: date, days: int = DAYS_AHEAD) -> None:
    """Make the UTC days from yesterday to `days` ahead that are missing."""
    for offset in range(-1, days + 1):
        day = today + timedelta(days=offset)
        session.execute(
            sa.text(
                f"CREATE TABLE IF NOT EXISTS checks_{day:%Y%m%d} PARTITION OF checks"
                f" FOR VALUES FROM ('{day} 00:00+00') TO ('{day + timedelta(days=1)} 00:00+00')"
            )
        )
