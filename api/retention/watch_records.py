"""Proof of what was watched: `check_days` and `outages`. It is kept as long as the books of the payments."""

from datetime import UTC, date, datetime
from typing import Any, cast

import sqlalchemy as sa

from api.models.base import session
from api.models.check_day import CheckDay
from api.models.desk import Outage
from api.retention.batches import delete_in_batches
from configs.clock import clock

_YEARS = 10  # from the end of the year, as the books (article L.123-22 of the Code de commerce)


def find_books_begin(now: datetime) -> datetime:
    """Return the first instant of the oldest year whose books are still kept."""
    return datetime(now.year - _YEARS, 1, 1, tzinfo=UTC)


def drop_watch_records() -> dict[str, int]:
    """Delete outages that ended, and totals of days, before the oldest year that is kept; return how many."""
    begins = find_books_begin(clock())
    outages = delete_in_batches(Outage.id, Outage.ends_at < begins)
    return {"outages": outages, "check_days": _drop_check_days(begins.date())}


def _drop_check_days(before: date) -> int:
    """Delete the totals day by day: a row for each desk, so that a transaction is small."""
    dropped = 0
    while True:
        with session() as s:
            oldest = s.scalar(sa.select(sa.func.min(CheckDay.day)))
            if oldest is None or oldest >= before:
                return dropped
            gone = cast("sa.CursorResult[Any]", s.execute(sa.delete(CheckDay).where(CheckDay.day == oldest)))
            dropped += gone.rowcount
