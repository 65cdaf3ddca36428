"""Losses by a deletion: the plans that run, their end, the price of their time left, and what of it goes back."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.deletion.cancellations import quote_refunds
from api.models.payment import Payment, PaymentStatus, Subscription
from api.models.user import Grant
from api.payments.book import read_balances
from api.payments.grants import measure_use
from api.schemas import LostPlan
from configs.world.plan import PlanName


def list_losses(session: Session, user_id: UUID, now: datetime) -> list[LostPlan]:
    """Return the plans that run now or later, each with the cents that its time left cost."""
    running = (
        sa.select(Grant.plan, sa.func.max(Grant.ends_at))
        .where(Grant.user_id == user_id, Grant.ends_at > now)
        .group_by(Grant.plan)
        .order_by(Grant.plan)
    )
    found = session.execute(running).all()
    cents = _price_time_left(session, user_id, now) if found else {}
    back = quote_refunds(session, user_id, now) if found else {}
    renewed = set(session.scalars(_select_renewed(user_id))) if found else set()
    return [
        LostPlan(
            plan=name,
            ends_at=ends,
            amount=max(cents.get(name, 0) - back.get(name, 0), 0),
            refund=back.get(name, 0),
            currency="eur",
            renews=name in renewed,
        )
        for name, ends in found
    ]


def _price_time_left(session: Session, user_id: UUID, now: datetime) -> dict[PlanName, int]:
    """Return the price of the time left of each plan, rounded down: what a withdrawal gives back is computed there."""
    mine = (Payment.user_id == user_id, Payment.status == PaymentStatus.COMPLETED)
    paid = sa.select(Payment).join(Grant, Grant.payment_id == Payment.id).where(*mine, Grant.ends_at > now)
    cents: dict[PlanName, int] = {}
    for payment in session.scalars(paid.distinct()):
        used, bought = measure_use(session, payment, now)
        left = payment.amount_cents * (bought - used) // bought if bought else 0
        left = min(left, read_balances(session, payment.id).refundable)
        cents[payment.plan] = cents.get(payment.plan, 0) + left
    return cents


def _select_renewed(user_id: UUID) -> sa.Select[PlanName]:
    goes_on = (Subscription.ended_at.is_(None), Subscription.cancel_wanted_at.is_(None))
    return sa.select(Subscription.plan).where(
        Subscription.user_id == user_id, *goes_on, Subscription.cancel_at.is_(None)
    )
