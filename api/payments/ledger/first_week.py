"""First week of a subscription that a person begins within 90 days of another: it ends with the week at the earliest.

Otherwise a month could be bought and cancelled each day for a thirtieth of its price (docs/payments.md). A first
subscription ends on any day. It holds for orders under terms that name it. A person is an account.
"""

from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment
from api.models.user import Grant
from api.payments.ledger.withdrawal_rules import REMEMBERED

_WEEK = timedelta(days=7)  # the day on which it begins is the first one
_NAMED = "2026-11-29"  # the first version of the terms that names it


def find_earliest_end(session: Session, order: Payment | None, zone: ZoneInfo) -> datetime | None:
    """Return when a cancellation of an order's subscription takes effect at the earliest; None: at any time."""
    if order is None or order.paid_at is None or (order.terms_version or "") < _NAMED:
        return None
    return end_week(order.paid_at, zone) if begins_again(session, order.user_id, order.paid_at) else None


def begins_again(session: Session, user_id: UUID | None, at: datetime) -> bool:
    """Return whether another subscription of a user began within 90 days before this instant."""
    earlier = (
        sa.select(Payment.id)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Payment.user_id == user_id, Payment.subscription_id.is_not(None))
        .where(Payment.consented_at.is_not(None), Payment.paid_at < at, Payment.paid_at > at - REMEMBERED)
    )
    return session.scalar(earlier.limit(1)) is not None


def end_week(begins_at: datetime, zone: ZoneInfo) -> datetime:
    """Return the end of the seventh day of what begins at this instant."""
    after = begins_at.astimezone(zone).date() + _WEEK
    return datetime.combine(after, time(), zone).astimezone(ZoneInfo("UTC"))
