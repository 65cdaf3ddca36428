"""What a payment's plan was paid with besides its money, and what of the money can go back.

An upgrade's order takes off its price the unused part of a cheaper plan, which it ends. A renewal's invoice is lowered
by what was owed for time without watching.
"""

from collections.abc import Iterator, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.book import BookKind
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
from api.payments.book import list_sources, read_balances

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
    return read_balances(session, payment.id).worth


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


def is_credited(session: Session, payment: Payment) -> bool:
    """Return whether an order that goes on, or was cancelled, took what was left of a payment's plan as a credit."""
    withdrawn = sa.exists().where(
        PaymentEvent.payment_id == Payment.id, PaymentEvent.kind == PaymentEventKind.WITHDRAWN
    )
    took = sa.select(PlanCredit.payment_id).join(Payment, Payment.id == PlanCredit.payment_id)
    mine = took.where(PlanCredit.credited_payment_id == payment.id, keeps_plan(*FOR_TIME), ~withdrawn)
    return session.scalar(mine.limit(1)) is not None


def measure_refundable(session: Session, payment: Payment) -> int:
    """Return the cents that can go back: what is left of the money, less what a paid order took as a credit."""
    return read_balances(session, payment.id).refundable


def spread_refund(
    session: Session, payment: Payment, cents: int, *, upgrades: bool
) -> list[tuple[Payment, int]]:
    """Return whose money goes back for so many cents of a payment's plan: its own, then of what lowered its price.

    What an upgrade credited goes back as money with `upgrades`; otherwise it does as time of the cheaper plan.
    """
    held = read_balances(session, payment.id)
    rest = max(min(cents, held.claims), 0)
    parts = {payment.id: min(rest, held.refundable)}
    rest -= parts[payment.id]
    for source, most in _list_sources(session, payment.id, upgrades=upgrades):
        taken = parts.get(source, 0)
        part = max(min(rest, most, read_balances(session, source).money - taken), 0)
        parts[source], rest = taken + part, rest - part
    return [(session.get_one(Payment, each), part) for each, part in parts.items() if part]


def _list_sources(session: Session, payment_id: UUID, *, upgrades: bool) -> Iterator[tuple[UUID, int]]:
    yield from list_sources(session, payment_id, (BookKind.BORNE, BookKind.OWED))
    kinds = (BookKind.UPGRADED, BookKind.REVIVED, BookKind.OWED)
    for source, most in list_sources(session, payment_id, kinds) if upgrades else ():
        yield source, most
        yield from _list_sources(session, source, upgrades=True)
