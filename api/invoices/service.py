"""Removal of a client's name from documents."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.invoice import Invoice
from api.models.payment import Payment


def forget_client(session: Session, user_id: UUID) -> None:
    """Empty a user's name on all documents and orders, before the account goes; the files are made anew without it."""
    mine = sa.select(Payment.id).where(Payment.user_id == user_id)
    named = sa.update(Invoice).where(Invoice.payment_id.in_(mine), Invoice.client_name.is_not(None))
    session.execute(named.values(client_name=None, pdf_made_at=None))
    orders = sa.update(Payment).where(Payment.user_id == user_id, Payment.client_name.is_not(None))
    session.execute(orders.values(client_name=None))
