"""Stripe's customers of deleted accounts, for as long as a payment may be disputed."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base
from api.models.payment import Payment


class FormerCustomer(Base):
    """The customer at Stripe that a deleted account paid a payment as; Stripe knows the name and the address.

    An admin answers a dispute with it. At `dropped_at` the customer is deleted at Stripe, then its rows here.
    """

    __tablename__ = "former_customers"

    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Payment.id), primary_key=True)
    customer: Mapped[str]  # Stripe's id
    dropped_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("length(customer) <= 255", name="length"),
        sa.Index("ix_former_customers_customer", "customer"),
    )
