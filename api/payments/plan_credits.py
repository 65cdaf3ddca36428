"""Credits of upgrades: the unused part of a cheaper plan, which an order takes off its price and ends."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PaymentStatus, PlanCredit


def list_credits(session: Session, order: Payment) -> list[PlanCredit]:
    """Return the credits that an order was placed with."""
    mine = sa.select(PlanCredit).where(PlanCredit.payment_id == order.id)
    return list(session.scalars(mine.order_by(PlanCredit.credited_payment_id)))


def sum_value(session: Session, payment: Payment) -> int:
    """Return what a payment's plan was paid with, in cents: money, and the credit of earlier plans."""
    return payment.amount_cents + sum(each.amount_cents for each in list_credits(session, payment))


def sum_credited(session: Session, payment: Payment) -> int:
    """Return the cents of a payment's plan that paid orders took as a credit and keep."""
    withdrawn = sa.select(PaymentEvent.payment_id).where(PaymentEvent.kind == PaymentEventKind.WITHDRAWN)
    kept = (
        sa.select(sa.func.coalesce(sa.func.sum(PlanCredit.amount_cents), 0))
        .join(Payment, Payment.id == PlanCredit.payment_id)
        .where(
            PlanCredit.credited_payment_id == payment.id,
            Payment.status == PaymentStatus.COMPLETED,
            Payment.id.not_in(withdrawn),
        )
    )
    return session.scalars(kept).one()


def measure_refundable(session: Session, payment: Payment) -> int:
    """Return the cents that can go back: what is left of the money, less what a paid order took as a credit."""
    spent = payment.refunded_cents + payment.lost_cents + sum_credited(session, payment)
    left = min(payment.left_cents, sum_value(session, payment) - spent)
    return max(left, 0)
