"""The book of money: double entry in integer cents, by payment. Rows are only added; a transaction sums to 0."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.models.base import Base, enum_column, new_id


class Account(StrEnum):
    """Where a payment's cents are. Debit is positive: what we have; credit is negative: what we owe, or earned."""

    CASH = "cash"  # at Stripe; its fees and payouts are not in the book
    BANK = "bank"  # came, or went back, by transfers that Stripe does not know
    UNEARNED = "unearned"  # of the period that the payment paid for
    EARNED = "earned"  # of what was used and watched
    OWED = "owed"  # to the person: a refund that is ordered, an outage that waits for an invoice
    DISPUTED = "disputed"  # held back by the bank
    LOST = "lost"  # kept by the bank
    DUE = "due"  # by an organisation: invoiced, and not paid yet


class BookKind(StrEnum):
    """What a transaction is about."""

    PAID = "paid"
    UPGRADED = "upgraded"  # an upgrade: the new plan took the unused part of a cheaper plan
    REVIVED = "revived"  # the new plan ended early, and gave back the unused part
    BORNE = "borne"  # what an outage was worth lowered an invoice that was paid
    UNWATCHED = "unwatched"  # an outage is owed
    ENDED = "ended"  # what was used is earned
    OWED = "owed"  # a refund is ordered
    REFUNDED = "refunded"  # a refund left Stripe
    TRANSFERRED = "transferred"  # an operator paid what is owed by a transfer
    RETURNED = "returned"  # a refund failed, or the bank sent it back
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_CLOSED = "dispute_closed"  # without a loss
    BILLED = "billed"  # an organisation used it: earned, and due
    WAIVED = "waived"  # an operator corrected what is due


class BookTransaction(Base):
    """One movement, once for its cause. The cause names ids only, no person."""

    __tablename__ = "book_transactions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cause: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[BookKind] = mapped_column(enum_column(BookKind, "kind"))
    at: Mapped[datetime]
    lines: Mapped[list["BookLine"]] = relationship()


class BookLine(Base):
    """What one transaction adds to one account of one payment."""

    __tablename__ = "book_lines"

    transaction_id: Mapped[UUID] = mapped_column(sa.ForeignKey("book_transactions.id"), primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), primary_key=True, index=True)
    account: Mapped[Account] = mapped_column(enum_column(Account, "account"), primary_key=True)
    cents: Mapped[int]

    __table_args__ = (sa.CheckConstraint("cents <> 0", name="cents"),)
