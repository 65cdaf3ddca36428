"""Removal of a client's name from documents."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.invoice import Invoice
from api.models.payment import Payment


def forget_client(session: Session, user_id: UUID) -> None:
    """Empty a user's name on all documents and orders, before the account goes. The job makes the files again."""
    locked = sa.select(Payment.id).where(Payment.user_id == user_id).order_by(Payment.id)
    # Whatever is being issued copies the name under this lock.
    mine = session.scalars(locked.with_for_update(key_share=True)).all()
    named = sa.update(Invoice).where(is_any_of(Invoice.payment_id, mine), Invoice.client_name.is_not(None))
    session.execute(named.values(client_name=None, pdf_made_at=None))
    orders = sa.update(Payment).where(is_any_of(Payment.id, mine), Payment.client_name.is_not(None))
    session.execute(orders.values(client_name=None))
