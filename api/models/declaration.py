"""Declarations of consumers: that they withdraw from an order, or cancel a subscription.

Each row is a statement as it was made, with its second. It counts from then on, also where it is applied later.
"""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id


class DeclarationKind(StrEnum):
    """What is declared."""

    WITHDRAWAL = "withdrawal"
    CANCELLATION = "cancellation"


class DeclaredBy(StrEnum):
    """How it was declared: signed in, by the signed link of a mail, or by the form that needs neither."""

    ACCOUNT = "account"
    LINK = "link"
    FORM = "form"


# What neither was applied nor undone nor refused.
OPEN_DECLARATION = "applied_at IS NULL AND undone_at IS NULL AND refused_because IS NULL"
_ONCE = "kind = 'withdrawal' AND made_by <> 'form' AND refused_because IS NULL"


class Declaration(Base):
    """A declaration. `payment_id` and `subscription_id` are null while it is not known what it is about."""

    __tablename__ = "declarations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[DeclarationKind] = mapped_column(enum_column(DeclarationKind, "kind"))
    made_at: Mapped[datetime]
    made_by: Mapped[DeclaredBy] = mapped_column(enum_column(DeclaredBy, "made_by"))
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    payment_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("payments.id"), index=True)  # the order
    subscription_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("subscriptions.id"), index=True)
    name: Mapped[str | None]  # as its author wrote it
    email: Mapped[str | None]  # where the acknowledgement goes; null: to the account's address
    reference: Mapped[str | None]  # number of the order or subscription, as it was typed
    language: Mapped[str] = mapped_column(default="fr", server_default="fr")  # of its messages
    wished_on: Mapped[date | None]  # a cancellation's day
    at_period_end: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    confirmed_at: Mapped[datetime | None]  # sent from the account or a link, or the mail's link was pressed
    takes_effect_at: Mapped[datetime | None]  # from when on a job applies it
    applied_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    refused_because: Mapped[str | None]  # a word of the package api.payments.declarations
    refund_cents: Mapped[int | None]  # what goes back, once it is applied

    __table_args__ = (
        sa.CheckConstraint("length(name) <= 200", name="name_length"),
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint("length(reference) <= 100", name="reference_length"),
        sa.CheckConstraint("num_nonnulls(applied_at, undone_at, refused_because) <= 1", name="one_end"),
        sa.CheckConstraint("refund_cents IS NULL OR applied_at IS NOT NULL", name="refund"),
        sa.Index("ix_declarations_due", "takes_effect_at", postgresql_where=sa.text(OPEN_DECLARATION)),
        sa.Index("ix_declarations_email_made_at", sa.func.lower(sa.text("email")), "made_at"),
        sa.Index("uq_declarations_withdrawal", "payment_id", unique=True, postgresql_where=sa.text(_ONCE)),
    )

    @property
    def is_open(self) -> bool:
        """Whether it was neither applied nor undone nor refused."""
        return self.applied_at is None and self.undone_at is None and self.refused_because is None
