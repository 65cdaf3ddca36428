"""Tables of Stripe: its events without their texts, differences from its books, and the outbox of commands to it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id

# How long an event that could not be applied is tried again before the admins get a message
STRIPE_RETRY_FOR = timedelta(days=3)


class CommandKind(StrEnum):
    """What Stripe is to do with the row that `subject_id` names."""

    REFUND = "refund"  # make a refund
    # Lower the next invoice by a credit of `watch_credits`, or no more where it is paid out
    CREDIT = "credit"
    END = "end"  # end a subscription when its row says, or let it go on
    CUSTOMER = "customer"  # give the customers of a user the account's address
    CHARGE = "charge"  # charge a subscription next when its row says


class StripeCommand(Base):
    """A command, written by the transaction that decides it. Its subject's id is in the idempotency key."""

    __tablename__ = "stripe_commands"

    kind: Mapped[CommandKind] = mapped_column(enum_column(CommandKind, "kind"), primary_key=True)
    subject_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    key_number: Mapped[int] = mapped_column(default=0, server_default="0")  # of the idempotency key
    next_attempt_at: Mapped[datetime]
    error: Mapped[str | None]  # of the last attempt

    __table_args__ = (sa.Index("ix_stripe_commands_next_attempt_at", "next_attempt_at"),)


class StripeEventFlag(StrEnum):
    """Why an event needs a look."""

    UNKNOWN_TYPE = "unknown_type"  # stored, never applied
    UNKNOWN_OWNER = "unknown_owner"  # its object belongs to no known payment or subscription
    GAVE_UP = "gave_up"  # every attempt failed for STRIPE_RETRY_FOR


class StripeEvent(Base):
    """An event by its id. The object's present state is read at Stripe when the event is applied.

    The row carries the lease of the worker that reads its object: no two do so at once.
    """

    __tablename__ = "stripe_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    api_version: Mapped[str | None]  # of the endpoint that sent it
    created_at: Mapped[datetime]  # by Stripe
    object_type: Mapped[str | None]
    object_id: Mapped[str | None]  # null where its object has none
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_attempt_at: Mapped[datetime | None]  # null where none is to come
    error: Mapped[str | None]  # the class of the last attempt's error, and Stripe's code
    flag: Mapped[StripeEventFlag | None] = mapped_column(enum_column(StripeEventFlag, "flag"))
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint("length(id) <= 255 AND length(type) <= 255", name="length"),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name="lease"),
        sa.CheckConstraint("applied_at IS NULL OR next_attempt_at IS NULL", name="applied_once"),
        sa.Index("ix_stripe_events_received_at_id", "received_at", "id"),
        sa.Index("ix_stripe_events_object_id", "object_id"),
        sa.Index(
            "ix_stripe_events_next_attempt_at",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
    )


class PaymentDifference(Base):
    """A difference between Stripe and our tables that a comparison found: both sides, and whether it is repaired."""

    __tablename__ = "payment_differences"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    found_at: Mapped[datetime]
    object_id: Mapped[str]  # Stripe's id, or that of our row where Stripe has none
    payment_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    ours: Mapped[dict[str, Any]]
    stripe: Mapped[dict[str, Any]]
    repaired: Mapped[bool]

    __table_args__ = (
        sa.Index("ix_payment_differences_found_at", "found_at"),
        sa.UniqueConstraint("object_id", "found_at"),
    )
