"""Daily cost of SMS, summed up from their rows."""

from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification
from api.models.user import Channel


def sum_of_day(session: Session, now: datetime) -> Decimal:
    """Return what SMS have cost since midnight UTC, in EUR; those of accounts deleted since are not counted."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = sa.select(sa.func.sum(Notification.cost)).where(
        Notification.channel == Channel.SMS, Notification.accepted_at >= midnight
    )
    return session.scalars(spent).one() or Decimal(0)
