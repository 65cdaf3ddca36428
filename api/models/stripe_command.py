"""The outbox of commands to Stripe: what it is still to do. A row goes once Stripe has answered."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column


class CommandKind(StrEnum):
    """What Stripe is to do with the row that `subject_id` names."""

    REFUND = "refund"  # make a refund
    CREDIT = (
        "credit"  # lower the next invoice by a credit of `watch_credits`, or no more where it is paid out
    )
    END = "end"  # end a subscription when its row says, or let it go on


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
