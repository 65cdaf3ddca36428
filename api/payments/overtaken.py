"""Orders that another one overtook: by the time one is paid, a larger plan runs, or its credit is spent.

Checkout ends pages that must not be paid beside a new one. Two that are paid in the same moment meet here.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.entitlement import find_entitlement
from api.models.payment import Payment, PaymentStatus, PlanCredit, Subscription
from api.models.user import Grant
from api.payments.book import read_balances
from api.payments.ledger import list_credits, lock_payment
from api.payments.subscriptions import RENEWING
from configs.plan import PlanName, plan

_RANK = {name: rank for rank, name in enumerate(PlanName)}
_ROUNDED = timedelta(seconds=1)


def is_overtaken(session: Session, order: Payment, now: datetime) -> bool:
    """Return whether the plan of a locked order of a user, which was just paid, must not begin."""
    if order.user_id is None or order.consented_at is None:
        return False
    held = find_entitlement(session, order.user_id, now).plan.name
    if _RANK[held] > _RANK[order.plan]:
        return True
    if plan(order.plan).recurring and _has_other_subscription(session, order, now):
        return True
    return any(_is_spent(session, order, each, now) for each in list_credits(session, order))


def _has_other_subscription(session: Session, order: Payment, now: datetime) -> bool:
    """Return whether another subscription of the user renews, or its paid time runs."""
    others = sa.select(Subscription.id).where(
        Subscription.user_id == order.user_id, Subscription.id != order.subscription_id
    )
    renews = others.where(
        Subscription.status.in_(RENEWING),
        Subscription.ended_at.is_(None),
        Subscription.cancel_at.is_(None),
        Subscription.cancel_wanted_at.is_(None),
    )
    runs = (
        sa.select(Grant.id)
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Payment.subscription_id.in_(others), Grant.ends_at > now)
    )
    return session.scalar(renews.limit(1)) is not None or session.scalar(runs.limit(1)) is not None


def _is_spent(session: Session, order: Payment, credit: PlanCredit, now: datetime) -> bool:
    """Return whether the credited time or money went elsewhere since the order was placed."""
    cheaper = lock_payment(session, credit.credited_payment_id)
    if cheaper.status is not PaymentStatus.COMPLETED:
        return True
    if credit.amount_cents > read_balances(session, cheaper.id).claims:
        return True
    mine = sa.select(Grant).where(Grant.payment_id == cheaper.id, Grant.ends_at > now)
    left = sum((each.ends_at - max(each.starts_at, now) for each in session.scalars(mine)), timedelta())
    return left + (now - order.created_at) + _ROUNDED < timedelta(seconds=credit.seconds)
