"""Rows of subscriptions: written by whichever object of Stripe's names one first."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, Subscription
from api.payments.cancellations import request_cancellation
from api.payments.owners import find_subscription_id, link_id
from configs.clock import clock

RENEWING = ("active", "trialing")  # Stripe's words
# Not paid, so that no plan follows from it once the days of grace are over; a payment that comes late may revive it.
LAPSING = ("past_due", "unpaid", "paused", "incomplete")


def end_lapsed(session: Session, order: Payment, now: datetime) -> None:
    """End the subscriptions that another one, which this order began, replaces: they must not be charged beside it."""
    others = sa.select(Subscription.id).where(
        Subscription.user_id == order.user_id,
        Subscription.id != order.subscription_id,
        Subscription.status.in_(LAPSING),
        Subscription.ended_at.is_(None),
    )
    for each in session.scalars(others).all():
        request_cancellation(session, each, now)


def ensure_subscription(session: Session, order: Payment, stripe_id: str) -> Subscription:
    """Return the subscription that a locked order began, and write it where it is not known yet."""
    if known := find_subscription_id(session, stripe_id):
        subscription = session.get_one(Subscription, known)
    else:
        subscription = Subscription(
            user_id=order.user_id, plan=order.plan, status="incomplete", created_at=clock()
        )
        session.add(subscription)
        link_id(session, stripe_id, "subscription", subscription)
    if order.subscription_id is None:
        order.subscription_id = subscription.id
        session.flush()
    return subscription
