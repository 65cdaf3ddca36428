"""Notices before a renewal: each subscriber is told RENEWAL_NOTICE before the next month is charged, once a period."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.payment import Subscription
from configs.clock import clock
from configs.settings import settings

_RENEWS = ("active", "trialing")  # Stripe's words


def tell_renewals(session: Session) -> list[UUID]:
    """Write the notice of each renewal that comes soon, once; return the notifications to nudge."""
    now = clock()
    soon = sa.select(Subscription).where(
        Subscription.status.in_(_RENEWS),
        Subscription.user_id.is_not(None),
        Subscription.period_ends_at > now,
        Subscription.period_ends_at <= now + settings().renewal_notice,
        Subscription.cancel_at.is_(None),
        Subscription.cancel_wanted_at.is_(None),
    )
    return [each for row in session.scalars(soon.order_by(Subscription.id)) for each in _tell(session, row)]


def _tell(session: Session, row: Subscription) -> list[UUID]:
    if row.user_id is None or row.period_ends_at is None:
        return []
    ends = row.period_ends_at.isoformat()
    params = {"subscription": str(row.id), "ends": ends}
    return notifier.create_notifications(
        session, row.user_id, "renewal_soon", params, f"renewal-soon:{row.id}:{ends}"
    )
