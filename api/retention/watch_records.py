"""Records of what was watched: `check_days`, `outages` and alerts that were closed.

Days and outages are kept as long as the books of the payments, and so are the alerts of an order: they prove what was
given for it. Other alerts go a year after they were closed, with their matches.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa

from api.models.alert import Alert
from api.models.base import session
from api.models.check_day import CheckDay
from api.models.desk import Outage
from api.models.payment import Payment
from api.retention.batches import delete_in_batches
from configs.ground.clock import clock

CLOSED_KEPT_FOR = timedelta(days=365)
_YEARS = 10  # from the end of the year, as the books (article L.123-22 of the Code de commerce)


def drop_closed_alerts() -> int:
    """Delete alerts that were closed a year ago; return how many."""
    return delete_in_batches(Alert.id, was_closed_before(clock() - CLOSED_KEPT_FOR))


def was_closed_before(instant: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that an alert of no order was closed before an instant."""
    return sa.and_(Alert.closed_at < instant, ~sa.exists().where(Payment.alert_id == Alert.id))


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
