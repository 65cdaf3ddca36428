"""Ledger of a payment: its lock, and the events that its status follows from."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.alerts.service import lock_user
from api.models.base import new_id
from api.models.payment import Payment, PaymentEvent, PaymentEventKind
from configs.clock import clock


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
    """Add an event to a locked payment, and read its status anew; False where it has this event already."""
    session.flush()
    added = session.scalar(
        insert(PaymentEvent)
        .values(
            id=new_id(),
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
