"""Issue of documents: an invoice for each paid payment, a credit note for each refund that succeeded.

Every document comes from here, found by what lacks one, so that no event, restart or older version loses one. Each is
issued in a transaction of its own, which locks the payment first and the counter last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.invoices.contents import (
    CorrectedInvoice,
    InvoiceContents,
    InvoiceLine,
    LineKind,
    name_present_seller,
)
from api.invoices.numbering import take_number
from api.invoices.payment_lines import list_payment_lines, name_order, read_period
from api.invoices.vat import measure_vat, read_vat_terms
from api.models.invoice import Invoice, InvoiceKind
from api.models.payment import Payment, Refund, RefundStatus
from configs.clock import clock

Issue = Callable[[Session, UUID], Invoice | None]


@dataclass(frozen=True, slots=True)
class _Correction:
    """What a refund makes of the document that it is about."""

    kind: InvoiceKind
    line: LineKind
    corrected: Invoice


@dataclass(frozen=True, slots=True)
class _Balance:
    """Sum of a payment's documents, credit notes taken off."""

    amount_cents: int
    vat_cents: int


def list_due(session: Session, most: int) -> Sequence[tuple[Issue, UUID]]:
    """Return what lacks a document: payments in the order in which they were paid, then refunds in theirs."""
    payments = session.scalars(_find_payments().limit(most)).all()
    credit_notes = session.scalars(_find_refunds().limit(most)).all()
    returned = session.scalars(_find_returned().limit(most)).all()
    return [
        *((issue_invoice, each) for each in payments),
        *((issue_credit_note, each) for each in credit_notes),
        *((issue_returned_refund, each) for each in returned),
    ][:most]


def issue_invoice(session: Session, payment_id: UUID) -> Invoice | None:
    """Issue the invoice of a payment; None where it has one, or nothing was paid."""
    payment = _lock_payment(session, payment_id)
    if payment.paid_at is None or not payment.amount_cents or _find_documents(session, payment_id):
        return None
    vat, (starts_at, ends_at) = read_vat_terms(), read_period(session, payment_id)
    order = name_order(session, payment)
    contents = InvoiceContents(
        order=order.number,
        plan=payment.plan,
        lines=tuple(list_payment_lines(session, payment)),
        paid_at=payment.paid_at,
        starts_at=starts_at,
        ends_at=ends_at,
        vat_percent=vat.percent,
        vat_line=vat.line,
        vat_cents=measure_vat(payment.amount_cents, vat.percent),
        seller=name_present_seller(),
    )
    row = Invoice(kind=InvoiceKind.INVOICE, payment_id=payment.id, amount_cents=payment.amount_cents)
    return _issue(session, row, contents, order.client_name)


def issue_credit_note(session: Session, refund_id: UUID) -> Invoice | None:
    """Issue the credit note of a refund that succeeded; None where it has one, or its payment no invoice yet."""
    refund = session.get_one(Refund, refund_id)
    documents = _lock_documents(session, refund)
    if refund.status is not RefundStatus.SUCCEEDED or not documents or _of_refund(documents, refund_id):
        return None
    return _correct(
        session, refund, documents, _Correction(InvoiceKind.CREDIT_NOTE, LineKind.REFUND, documents[0])
    )


def issue_returned_refund(session: Session, refund_id: UUID) -> Invoice | None:
    """Issue the invoice that takes a credit note back: the bank sent its refund back to us."""
    refund = session.get_one(Refund, refund_id)
    documents = _lock_documents(session, refund)
    earlier = _of_refund(documents, refund_id)
    if refund.status is not RefundStatus.FAILED or len(earlier) != 1:
        return None
    correction = _Correction(InvoiceKind.INVOICE, LineKind.REFUND_RETURNED, earlier[0])
    return _correct(session, refund, documents, correction)


def _correct(
    session: Session, refund: Refund, documents: Sequence[Invoice], correction: _Correction
) -> Invoice:
    first = InvoiceContents.model_validate(documents[0].contents)
    signed = -refund.amount_cents if correction.kind is InvoiceKind.CREDIT_NOTE else refund.amount_cents
    contents = first.model_copy(
        update={
            "lines": (InvoiceLine(kind=correction.line, plan=first.plan, amount_cents=refund.amount_cents),),
            "paid_at": refund.settled_at or clock(),
            "vat_cents": _measure_moved_vat(documents, signed, first.vat_percent),
            "seller": name_present_seller(),
            "corrects": CorrectedInvoice(
                number=correction.corrected.number, issued_at=correction.corrected.issued_at
            ),
            "reason": refund.reason,
        }
    )
    row = Invoice(
        kind=correction.kind,
        payment_id=refund.payment_id,
        refund_id=refund.id,
        corrects_id=correction.corrected.id,
        amount_cents=refund.amount_cents,
    )
    return _issue(session, row, contents, documents[0].client_name)


def _measure_moved_vat(documents: Sequence[Invoice], signed_cents: int, percent: Decimal) -> int:
    """Return the tax of a correction: what it changes in that of the whole, so that parts add up to the cent."""
    before = _sum_documents(documents)
    return abs(measure_vat(before.amount_cents + signed_cents, percent) - before.vat_cents)


def _sum_documents(documents: Sequence[Invoice]) -> _Balance:
    signs = [1 if each.kind is InvoiceKind.INVOICE else -1 for each in documents]
    signed = list(zip(signs, documents, strict=True))
    return _Balance(
        sum(sign * each.amount_cents for sign, each in signed),
        sum(sign * each.contents["vat_cents"] for sign, each in signed),
    )


def _issue(session: Session, row: Invoice, contents: InvoiceContents, client_name: str | None) -> Invoice:
    taken = take_number(session, row.kind, clock())
    row.number, row.issued_at = taken.number, taken.issued_at
    row.contents, row.client_name = contents.as_json(), client_name
    session.add(row)
    session.flush()
    return row


def _lock_payment(session: Session, payment_id: UUID) -> Payment:
    return session.get_one(Payment, payment_id, with_for_update={"key_share": True}, populate_existing=True)


def _lock_documents(session: Session, refund: Refund) -> list[Invoice]:
    """Lock a refund's payment, refresh the refund, and return the payment's documents, its invoice first."""
    _lock_payment(session, refund.payment_id)
    session.refresh(refund)
    return _find_documents(session, refund.payment_id)


def _find_documents(session: Session, payment_id: UUID) -> list[Invoice]:
    mine = sa.select(Invoice).where(Invoice.payment_id == payment_id)
    return list(session.scalars(mine.order_by(Invoice.refund_id.is_not(None), Invoice.id)))


def _of_refund(documents: Sequence[Invoice], refund_id: UUID) -> list[Invoice]:
    return [each for each in documents if each.refund_id == refund_id]


def _find_payments() -> sa.Select[UUID]:
    has_one = sa.exists().where(Invoice.payment_id == Payment.id, Invoice.refund_id.is_(None))
    due = sa.select(Payment.id).where(Payment.paid_at.is_not(None), Payment.amount_cents > 0, ~has_one)
    return due.order_by(Payment.paid_at, Payment.id)


def _find_refunds() -> sa.Select[UUID]:
    has_one = sa.exists().where(Invoice.refund_id == Refund.id)
    billed = sa.exists().where(Invoice.payment_id == Refund.payment_id, Invoice.refund_id.is_(None))
    due = sa.select(Refund.id).where(Refund.status == RefundStatus.SUCCEEDED, billed, ~has_one)
    return due.order_by(Refund.settled_at, Refund.id)


def _find_returned() -> sa.Select[UUID]:
    taken_back = aliased(Invoice)
    has_one = sa.exists().where(taken_back.refund_id == Refund.id, taken_back.kind == InvoiceKind.INVOICE)
    due = (
        sa.select(Refund.id)
        .join(Invoice, Invoice.refund_id == Refund.id)
        .where(Refund.status == RefundStatus.FAILED, Invoice.kind == InvoiceKind.CREDIT_NOTE, ~has_one)
    )
    return due.order_by(Refund.settled_at, Refund.id)
