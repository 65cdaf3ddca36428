"""What a payment's plan was paid with besides its money, and what of the money can go back.

An upgrade's order takes off its price the unused part of a cheaper plan, which it ends. A renewal's invoice is lowered
by what was owed for time without watching.
"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    PaymentStatus,
    PlanCredit,
    Refund,
    RefundReason,
    RefundStatus,
)
from api.models.watch_credit import WatchCredit

FOR_TIME = (
    RefundReason.CANCELLED,
    RefundReason.OUTAGE,
)  # these refunds end no plan, also where they are the whole


def list_credits(session: Session, order: Payment) -> Sequence[PlanCredit]:
    """Return the credits that an order was placed with."""
    mine = sa.select(PlanCredit).where(PlanCredit.payment_id == order.id)
    return session.scalars(mine.order_by(PlanCredit.credited_payment_id)).all()


def sum_value(session: Session, payment: Payment) -> int:
    """Return what a payment's plan was paid with, in cents: money, and what was taken off the price."""
    borne = sa.select(sa.func.coalesce(sa.func.sum(WatchCredit.amount_cents), 0))
    lowered = session.scalars(borne.where(WatchCredit.borne_by_id == payment.id)).one()
    return payment.amount_cents + lowered + sum(each.amount_cents for each in list_credits(session, payment))


def keeps_plan(*reasons: RefundReason) -> sa.ColumnElement[bool]:
    """Return the condition that a payment was paid, and that its money, if it went back whole, did so for time only."""
    newest = (
        sa.select(Refund.reason)
        .where(Refund.payment_id == Payment.id, Refund.status != RefundStatus.FAILED)
        .order_by(Refund.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    for_time = (Payment.status == PaymentStatus.REFUNDED, Payment.lost_cents == 0, newest.in_(reasons))
    return sa.or_(Payment.status == PaymentStatus.COMPLETED, sa.and_(*for_time))


def has_plan(session: Session, payment: Payment, *reasons: RefundReason) -> bool:
    """Return whether `keeps_plan` holds for a payment."""
    mine = sa.select(Payment.id).where(Payment.id == payment.id, keeps_plan(*reasons))
    return session.scalar(mine) is not None


def sum_credited(session: Session, payment: Payment) -> int:
    """Return the cents of a payment's plan that paid orders took as a credit and keep.

    A withdrawal from such an order gives back what was not used of it, less the money that it gave back.
    """
    took = (
        sa.select(Payment)
        .join(PlanCredit, PlanCredit.payment_id == Payment.id)
        .where(PlanCredit.credited_payment_id == payment.id, keeps_plan(*FOR_TIME))
    )
    return sum(_measure_kept(session, order, payment) for order in session.scalars(took).all())


def is_credited(session: Session, payment: Payment) -> bool:
    """Return whether an order that goes on, or was cancelled, took what was left of a payment's plan as a credit."""
    withdrawn = sa.exists().where(
        PaymentEvent.payment_id == Payment.id, PaymentEvent.kind == PaymentEventKind.WITHDRAWN
    )
    took = sa.select(PlanCredit.payment_id).join(Payment, Payment.id == PlanCredit.payment_id)
    mine = took.where(PlanCredit.credited_payment_id == payment.id, keeps_plan(*FOR_TIME), ~withdrawn)
    return session.scalar(mine.limit(1)) is not None


def _measure_kept(session: Session, order: Payment, credited: Payment) -> int:
    withdrawn = sa.select(PaymentEvent.details).where(
        PaymentEvent.payment_id == order.id, PaymentEvent.kind == PaymentEventKind.WITHDRAWN
    )
    details = session.scalars(withdrawn).one_or_none()
    freed = max(details["unused_cents"] - order.refunded_cents, 0) if details else 0
    for credit in list_credits(session, order):
        kept = max(credit.amount_cents - freed, 0)
        if credit.credited_payment_id == credited.id:
            return kept
        freed -= credit.amount_cents - kept
    return 0


def measure_refundable(session: Session, payment: Payment) -> int:
    """Return the cents that can go back: what is left of the money, less what a paid order took as a credit."""
    spent = payment.refunded_cents + payment.lost_cents + sum_credited(session, payment)
    left = min(payment.left_cents, sum_value(session, payment) - spent)
    return max(left, 0)


def spread_refund(
    session: Session, payment: Payment, cents: int, *, upgrades: bool
) -> list[tuple[Payment, int]]:
    """Return whose money goes back for so many cents of a payment's plan: its own, then of what lowered its price.

    What an upgrade credited goes back as money with `upgrades`; otherwise it does as time of the cheaper plan.
    """
    own = min(cents, measure_refundable(session, payment))
    parts, rest = {payment.id: (payment, own)}, cents - own
    for source, most in _list_sources(session, payment, upgrades=upgrades):
        taken = parts.get(source.id, (source, 0))[1]
        part = max(min(rest, most, source.left_cents - taken), 0)
        parts[source.id], rest = (source, taken + part), rest - part
    return [each for each in parts.values() if each[1]]


def _list_sources(session: Session, payment: Payment, *, upgrades: bool) -> Iterator[tuple[Payment, int]]:
    borne = sa.select(WatchCredit).where(WatchCredit.borne_by_id == payment.id).order_by(WatchCredit.id)
    for owed in session.scalars(borne).all():
        yield session.get_one(Payment, owed.payment_id), owed.amount_cents
    for credit in list_credits(session, payment) if upgrades else ():
        credited = session.get_one(Payment, credit.credited_payment_id)
        yield credited, credit.amount_cents
        yield from _list_sources(session, credited, upgrades=True)
