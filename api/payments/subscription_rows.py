"""Rows of subscriptions: written by whichever object of Stripe's names one first."""

from sqlalchemy.orm import Session

from api.models.payment import Payment, Subscription
from api.payments.owners import find_subscription_id, link_id
from configs.clock import clock


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
