"""Daily cost of SMS and calls, summed up from their rows."""

from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import PAID_CHANNELS, Notification


def sum_of_day(session: Session, now: datetime) -> Decimal:
    """Return what SMS and calls have cost since midnight UTC, in EUR, without those of accounts deleted since."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = sa.select(sa.func.sum(Notification.cost)).where(
        Notification.channel.in_(PAID_CHANNELS), Notification.accepted_at >= midnight
    )
    return session.scalars(spent).one() or Decimal(0)
