"""Receipts that providers sent: what became of a message, without its address and without what they said.

An answer that refuses an address is one, too.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id

LONGEST_CODE = 80
BOUNCE_WAIT = timedelta(minutes=10)  # for what else the provider answers, until a verified contact ends


class ReceiptKind(StrEnum):
    """What a receipt says."""

    ACCEPTED = "accepted"  # its provider has it
    DELIVERED = "delivered"
    REFUSED = "refused"  # this message only: the mailbox is full, the phone is off
    BOUNCED = "bounced"  # no message will ever arrive there
    COMPLAINED = "complained"  # its reader called it spam
    STOPPED = "stopped"  # its reader answered STOP


class ProviderEvent(Base):
    """A receipt by its provider's id of it. It is stored first and applied by a job.

    `next_attempt_at` is null once it was applied. `held_at`: too many contacts would have ended
    (notifier/applied_receipts.py).
    """

    __tablename__ = "provider_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    provider: Mapped[str]
    event_id: Mapped[str]  # the provider's, or a hash of the parts that a repetition shares with the first
    message_id: Mapped[str | None]  # the provider's id of the message: tells one attempt from another
    # As they travelled: their rows may be missing
    notification_ids: Mapped[list[UUID]] = mapped_column(ARRAY(sa.Uuid()))
    # The contact whose address the receipt named when it came; null where the address has changed since.
    contact_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("contacts.id", ondelete="CASCADE"))
    kind: Mapped[ReceiptKind] = mapped_column(enum_column(ReceiptKind, "kind"))
    code: Mapped[str | None]  # the provider's error code
    at: Mapped[datetime]  # by the provider's clock; of an answer when the message left
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None]
    held_at: Mapped[datetime | None]

    __table_args__ = (
        sa.UniqueConstraint("provider", "event_id"),
        sa.CheckConstraint(
            "length(event_id) BETWEEN 1 AND 255 AND length(message_id) <= 255 AND length(code) <= 80",
            name="length",
        ),
        sa.CheckConstraint("(applied_at IS NULL) = (next_attempt_at IS NOT NULL)", name="applied"),
        sa.Index("ix_provider_events_received_at", "received_at"),
        sa.Index(
            "ix_provider_events_contact_id",
            "contact_id",
            postgresql_where=sa.text("contact_id IS NOT NULL"),
        ),
        sa.Index(
            "ix_provider_events_next_attempt_at",
            "next_attempt_at",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
        ),
    )


def is_held() -> sa.ColumnElement[bool]:
    """Return the condition that a bounce waits for an operator's word."""
    return sa.and_(ProviderEvent.held_at.is_not(None), ProviderEvent.next_attempt_at.is_not(None))
