"""A payment's lock, and the events that its status follows from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
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
from configs.ground.clock import clock

# Refunds of time end no plan, also where they are the whole of the money.
FOR_TIME = (RefundReason.CANCELLED, RefundReason.OUTAGE)


def lock_payment(session: Session, payment_id: UUID) -> Payment:
    """Lock the user's row, then the payment's, as all code does: in one order, so that no two wait for each other.

    Raises:
        sqlalchemy.exc.NoResultFound: there is no such payment.
    """
    user_id = session.scalars(sa.select(Payment.user_id).where(Payment.id == payment_id)).one()
    if user_id:
        lock_user(session, user_id)
    return session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)


def add_event(
    session: Session,
    payment: Payment,
    kind: PaymentEventKind,
    at: datetime,
    subject: str = "",
    **details: Any,
) -> bool:
    """Add an event to a locked payment, and read its status again; False where it has this event already."""
    session.flush()
    added = session.scalar(
        insert(PaymentEvent)
        .values(
            payment_id=payment.id,
            kind=kind,
            subject=subject,
            at=at,
            recorded_at=clock(),
            details=details,
        )
        .on_conflict_do_nothing(index_elements=["payment_id", "kind", "subject"])
        .returning(PaymentEvent.id)
    )
    session.refresh(payment)
    return added is not None


def has_event(session: Session, payment: Payment, kind: PaymentEventKind) -> bool:
    """Return whether that has happened to the payment."""
    mine = sa.select(PaymentEvent.id).where(PaymentEvent.payment_id == payment.id, PaymentEvent.kind == kind)
    return session.scalar(mine.limit(1)) is not None


def read_asked(session: Session, payment: Payment) -> int:
    """Return the cents that a payment which was paid had asked for, before a promotion code."""
    return int(_read_paid(session, payment).get("asked", payment.amount_cents))


def read_discount(session: Session, payment: Payment) -> int:
    """Return the cents that promotion codes took off a payment which was paid."""
    return int(_read_paid(session, payment).get("discount") or 0)


def _read_paid(session: Session, payment: Payment) -> dict[str, Any]:
    paid = sa.select(PaymentEvent.details).where(
        PaymentEvent.payment_id == payment.id, PaymentEvent.kind == PaymentEventKind.PAID
    )
    found: dict[str, Any] = session.scalars(paid).one()
    return found


def list_credits(session: Session, order: Payment) -> Sequence[PlanCredit]:
    """Return the credits that an order was placed with."""
    mine = sa.select(PlanCredit).where(PlanCredit.payment_id == order.id)
    return session.scalars(mine.order_by(PlanCredit.credited_payment_id)).all()


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
