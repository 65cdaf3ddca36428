"""Orders that a declaration names: by the number of the order mail, or by the id that stood in older mails."""

import re
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import has_address
from api.models.payment import Payment
from api.models.user import User

_NUMBER = re.compile(r"[2-9A-HJ-NP-Z]{10}")


def find_order(session: Session, reference: str) -> Payment | None:
    """Return the paid order that a typed number names."""
    orders = sa.select(Payment).where(Payment.consented_at.is_not(None), Payment.paid_at.is_not(None))
    number = reference.replace("-", "").upper()
    if _NUMBER.fullmatch(number):
        return session.scalars(orders.where(Payment.order_number == number)).one_or_none()
    try:
        return session.scalars(orders.where(Payment.id == UUID(reference))).one_or_none()
    except ValueError:
        return None


def is_address_of(session: Session, order: Payment, email: str) -> bool:
    """Return whether an e-mail address is that of the account which placed an order."""
    mine = sa.select(User.id).where(User.id == order.user_id, has_address(email))
    return session.scalar(mine) is not None
