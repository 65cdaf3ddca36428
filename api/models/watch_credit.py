"""Paid time in which nothing of an alert could be proven, and what was given back for it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id


class CreditForm(StrEnum):
    """How unwatched time is given back."""

    TIME = "time"  # a short plan lasts longer
    INVOICE = "invoice"  # taken off the subscription's next invoice
    REFUND = "refund"  # paid back


class WatchCredit(Base):
    """One hole in the watching of a paid plan. Rows are kept as long as the payment: what was owed and given."""

    __tablename__ = "watch_credits"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"))
    starts_at: Mapped[datetime]  # the last proven answer before the hole
    ends_at: Mapped[datetime]  # the first one after it, or the end of the plan
    form: Mapped[CreditForm] = mapped_column(enum_column(CreditForm, "form"))
    amount_cents: Mapped[int]  # the share of the price, rounded up
    refund_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("refunds.id"), index=True)
    # The renewal whose invoice it lowered, once that is paid.
    borne_by_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_attempt_at: Mapped[datetime | None]  # of telling Stripe; null once it knows, or need not

    __table_args__ = (
        sa.CheckConstraint("ends_at > starts_at", name="order"),
        sa.CheckConstraint("amount_cents >= 0", name="amount"),
        sa.UniqueConstraint("payment_id", "starts_at"),
        sa.Index(
            "ix_watch_credits_next_attempt_at",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
    )
