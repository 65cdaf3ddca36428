"""Reads of documents: a user's list, one of them, and those of a payment."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import ensure_found
from api.ground.paging import PageQuery, read_page
from api.models.invoice import Invoice
from api.models.payment import Payment
from api.payments.invoices.contents import InvoiceContents, InvoiceDocument, InvoiceEntry, InvoicePage

_CURRENCY = "eur"  # of every payment, by a check of the table


def list_invoices(session: Session, user_id: UUID, query: PageQuery) -> InvoicePage:
    """Return a page of the user's invoices and credit notes, the newest first."""
    found, following = read_page(session, _select_own(user_id), Invoice.id, query)
    return InvoicePage(items=[_build_entry(each) for each in found], next=following)


def list_payment_invoices(session: Session, user_id: UUID, payment_id: UUID) -> list[InvoiceEntry]:
    """Return the documents of one of the user's payments, in the order of their issue."""
    mine = _select_own(user_id).where(Invoice.payment_id == payment_id).order_by(Invoice.id)
    return [_build_entry(each) for each in session.scalars(mine)]


def find_invoice(session: Session, user_id: UUID, invoice_id: UUID) -> Invoice:
    """Return one of the user's documents.

    Raises:
        ApiError: 404.
    """
    return ensure_found(
        session.scalars(_select_own(user_id).where(Invoice.id == invoice_id)).one_or_none(), "invoice"
    )


def read_document(session: Session, user_id: UUID, invoice_id: UUID) -> InvoiceDocument:
    """Return one of the user's documents with its contents.

    Raises:
        ApiError: 404.
    """
    row = find_invoice(session, user_id, invoice_id)
    contents = InvoiceContents.model_validate(row.contents)
    return InvoiceDocument(**dict(_build_entry(row)), client_name=row.client_name, contents=contents)


def _select_own(user_id: UUID) -> sa.Select[Invoice]:
    return (
        sa.select(Invoice).join(Payment, Payment.id == Invoice.payment_id).where(Payment.user_id == user_id)
    )


def _build_entry(row: Invoice) -> InvoiceEntry:
    contents = InvoiceContents.model_validate(row.contents)
    return InvoiceEntry.of_row(
        row,
        order=contents.order,
        plan=contents.plan,
        amount=row.amount_cents,
        vat=contents.vat_cents,
        currency=_CURRENCY,
        corrects=contents.corrects.number if contents.corrects else None,
        pdf_ready=row.pdf_made_at is not None,
    )
