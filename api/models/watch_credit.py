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


class Unwatched(Base):
    """One time of a payment's plan in which no desk of any alert could be proven; it grows while it lasts."""

    __tablename__ = "unwatched"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    least_seconds: Mapped[
        int
    ]  # what the alert's desks allow: merged with its neighbours a hole is longer, or no hole

    __table_args__ = (
        sa.CheckConstraint("ends_at > starts_at", name="order"),
        sa.Index("ix_unwatched_payment_id_starts_at", "payment_id", "starts_at"),
    )


class WatchCredit(Base):
    """What was given for unwatched time of a payment, once a day at most; kept as long as the payment."""

    __tablename__ = "watch_credits"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    seconds: Mapped[int]  # of unwatched time; less where what was given as time was taken back
    form: Mapped[CreditForm] = mapped_column(enum_column(CreditForm, "form"))
    amount_cents: Mapped[int]  # the share of the price, rounded up
    refund_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("refunds.id"), index=True)
    # The renewal whose invoice it lowered, once that is paid.
    borne_by_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    created_at: Mapped[datetime]

    __table_args__ = (sa.CheckConstraint("amount_cents >= 0 AND seconds >= 0", name="amounts"),)
