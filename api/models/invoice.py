"""Invoices and credit notes with their frozen contents, and the counters of their numbers.

Triggers of the migration refuse every change of a row but its PDF and the removal of its client's name.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column, new_id

_INVOICES = "invoices.id"


class InvoiceKind(StrEnum):
    """Kind of a document; each has a series of numbers of its own per year."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


class Invoice(Base):
    """An invoice of a payment, the credit note of a refund or a lost dispute, or the invoice that takes one back.

    It outlives the account; whose it is follows from its payment.
    """

    __tablename__ = "invoices"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[InvoiceKind] = mapped_column(enum_column(InvoiceKind, "kind"))
    number: Mapped[str] = mapped_column(unique=True)  # F2026-000001, A2026-000001
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), index=True)
    transaction_id: Mapped[UUID] = mapped_column(sa.ForeignKey("book_transactions.id"), unique=True)
    corrects_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(_INVOICES), index=True)
    amount_cents: Mapped[int]  # with VAT; positive for a credit note, too
    issued_at: Mapped[datetime]
    contents: Mapped[dict[str, Any]]  # api/payments/invoices/contents.py
    client_name: Mapped[str | None]  # as the order gave it; a deletion empties it
    pdf_key: Mapped[str | None]  # in the store of INVOICES_URL
    pdf_made_at: Mapped[datetime | None]  # null: it is to be made, or made again

    __table_args__ = (
        sa.CheckConstraint("amount_cents > 0", name="amount"),
        sa.CheckConstraint("kind = 'invoice' OR corrects_id IS NOT NULL", name="credit_note"),
        sa.CheckConstraint("pdf_made_at IS NULL OR pdf_key IS NOT NULL", name="pdf"),
        sa.Index(
            "uq_invoices_payment_id",
            "payment_id",
            unique=True,
            postgresql_where=sa.text("corrects_id IS NULL"),
        ),
        sa.Index("ix_invoices_issued_at", "issued_at"),
        sa.Index("ix_invoices_without_pdf", "id", postgresql_where=sa.text("pdf_made_at IS NULL")),
    )


class InvoiceGap(Base):
    """A document whose row a restore lost: api/payments/invoices/lost_documents.py."""

    __tablename__ = "invoice_gaps"

    number: Mapped[str] = mapped_column(primary_key=True)
    record: Mapped[dict[str, Any]]  # from the store: the row without the client's name, and what it is about
    reason: Mapped[str]  # why it is missing
    found_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class InvoiceCounter(Base):
    """The last number of a series. The transaction that issues a document locks its row until the commit."""

    __tablename__ = "invoice_counters"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # in Paris
    kind: Mapped[InvoiceKind] = mapped_column(enum_column(InvoiceKind, "kind"), primary_key=True)
    last_number: Mapped[int]
    last_issued_at: Mapped[datetime]

    __table_args__ = (sa.CheckConstraint("last_number > 0", name="last_number"),)
