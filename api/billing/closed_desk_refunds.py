"""Refund of the remaining time after the desks of an alert closed for good, where the user wants no other desk.

The plan ends, for all alerts. What is paid back is the share of the price from the closing to the end of the plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.service import get_owned, lock_user
from api.alerts.unwatched import Hole, add_hole
from api.billing.closed_desks import find_closed_since
from api.billing.schemas import ClosedDeskRefund
from api.errors import ApiError
from api.models.base import new_id
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, RefundReason, Subscription
from api.models.user import Grant
from api.models.watch_credit import CreditForm, WatchCredit
from api.payments.book import read_balances
from api.payments.effects import Effects
from api.payments.grants import end_paid_plan, price_use
from api.payments.ledger import add_event, lock_payment
from api.payments.notices import confirm_cancellation
from api.payments.postings import post_end, post_revival
from api.payments.refunds import plan_refund
from configs.clock import clock


@dataclass(frozen=True, slots=True)
class PlanRefund:
    """What a refund of the remaining time pays back, and what follows after the commit."""

    answer: ClosedDeskRefund
    effects: Effects = field(default_factory=Effects)


@dataclass(frozen=True, slots=True)
class _Rest:
    """The unused time of a payment, what it earned before, and what goes back, in cents."""

    starts_at: datetime
    ends_at: datetime
    kept: int
    cents: int


def quote_closed_desk(session: Session, user_id: UUID, alert_id: UUID) -> ClosedDeskRefund:
    """Return what `refund_closed_desk` would pay back now. It raises the same errors."""
    closed_at, payments = _find_refundable(session, user_id, alert_id)
    rests = [_measure_rest(session, each, closed_at) for each in payments]
    return ClosedDeskRefund(refund=sum(each.cents for each in rests), currency="eur")


def refund_closed_desk(session: Session, user_id: UUID, alert_id: UUID) -> PlanRefund:
    """End the paid plans that run or are to begin, and plan the refund of their time since the desks closed.

    Raises:
        api.errors.ApiError: 404, it is not the user's open alert; 409, a desk of it is open, or no paid plan runs.
    """
    lock_user(session, user_id)
    closed_at, payments = _find_refundable(session, user_id, alert_id)
    effects = Effects()
    back = sum(_refund(session, each.id, closed_at, effects) for each in payments)
    return PlanRefund(ClosedDeskRefund(refund=back, currency="eur"), effects)


def _find_refundable(session: Session, user_id: UUID, alert_id: UUID) -> tuple[datetime, Sequence[Payment]]:
    now = clock()
    closed_at = find_closed_since(session, get_owned(session, user_id, alert_id), now)
    if closed_at is None:
        raise ApiError(409, "desk-open", "a desk of this alert is open, or closed less than a day ago")
    running = sa.select(Grant.payment_id).where(Grant.user_id == user_id, Grant.ends_at > now)
    paid = sa.select(Payment).where(Payment.id.in_(running), Payment.status == PaymentStatus.COMPLETED)
    payments = session.scalars(paid.order_by(Payment.id)).all()
    if not payments:
        raise ApiError(
            409, "no-paid-plan", "no paid plan runs: GET /api/billing/history shows what went back"
        )
    return closed_at, payments


def _measure_rest(session: Session, payment: Payment, closed_at: datetime) -> _Rest:
    """Measure the time of a payment's plan from the closing on; what it gave back already is no more in the book."""
    grants = session.scalars(sa.select(Grant).where(Grant.payment_id == payment.id)).all()
    held, kept = read_balances(session, payment.id), price_use(session, payment, closed_at)
    ends = max(each.ends_at for each in grants)
    starts = max(closed_at, min(each.starts_at for each in grants))
    return _Rest(starts, ends, kept, max(min(held.claims - kept, held.refundable), 0))


def _refund(session: Session, payment_id: UUID, closed_at: datetime, effects: Effects) -> int:
    """End a payment's plan and plan its refund; return the cents. The time counts as given back from then on."""
    payment, now = lock_payment(session, payment_id), clock()
    rest = _measure_rest(session, payment, closed_at)
    add_hole(session, payment.id, Hole(rest.starts_at, now))
    post_end(session, payment.id, f"closed-desk:{payment.id}", rest.kept)
    refund = plan_refund(session, payment, rest.cents, RefundReason.NOT_WATCHED) if rest.cents else None
    unpaid = read_balances(session, payment.id).claims - rest.kept
    post_revival(session, payment.id, "closed-desk", unpaid)
    session.add(
        WatchCredit(
            id=new_id(),
            payment_id=payment.id,
            starts_at=rest.starts_at,
            ends_at=rest.ends_at,
            form=CreditForm.REFUND,
            amount_cents=rest.cents,
            refund_id=refund.id if refund else None,
            created_at=now,
        )
    )
    add_event(session, payment, PaymentEventKind.PLAN_ENDED, now, subject="closed desk")
    effects.add(end_paid_plan(session, payment, now))
    if refund:
        effects.refunds.append(refund.id)
    if payment.subscription_id:
        row = session.get_one(Subscription, payment.subscription_id)
        effects.mails += confirm_cancellation(session, row, now, rest.cents, subject="closed")
    return rest.cents
