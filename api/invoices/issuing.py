"""Issue of documents: an invoice for each paid payment, a credit note for money that went back.

Money goes back by a refund that succeeded, or by a dispute that was lost. Where it comes again, an invoice takes the
credit note back. Each document is issued in a transaction of its own, which locks the payment first and the counter
last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, Refund, RefundReason, RefundStatus
from configs.clock import clock


@dataclass(frozen=True, slots=True)
class _Correction:
    """A correction of a document."""

    kind: InvoiceKind
    line: LineKind
    corrected: Invoice
    amount_cents: int
    moved_at: datetime  # when the money went back or came again
    refund_id: UUID | None = None
    event_id: UUID | None = None  # of a dispute's end
    reason: RefundReason | None = None


@dataclass(frozen=True, slots=True)
class _Balance:
    """Sum of a payment's documents, credit notes taken off."""

    amount_cents: int
    vat_cents: int


def issue_invoice(session: Session, payment_id: UUID) -> Invoice | None:
    """Issue the invoice of a payment; None where it has one, or nothing was paid."""
    payment = _lock_payment(session, payment_id)
    if payment.paid_at is None or not payment.amount_cents or _find_documents(session, payment_id):
        return None
    vat, (starts_at, ends_at) = read_vat_terms(), read_period(session, payment)
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
    correction = _correct_refund(InvoiceKind.CREDIT_NOTE, LineKind.REFUND, documents[0], refund)
    return _correct(session, documents, correction)


def issue_returned_refund(session: Session, refund_id: UUID) -> Invoice | None:
    """Issue the invoice that takes a credit note back: the bank sent its refund back to us."""
    refund = session.get_one(Refund, refund_id)
    documents = _lock_documents(session, refund)
    earlier = _of_refund(documents, refund_id)
    if refund.status is not RefundStatus.FAILED or len(earlier) != 1:
        return None
    correction = _correct_refund(InvoiceKind.INVOICE, LineKind.REFUND_RETURNED, earlier[0], refund)
    return _correct(session, documents, correction)


def issue_dispute_note(session: Session, event_id: UUID) -> Invoice | None:
    """Issue the credit note of a lost dispute; None where it has one, or nothing of its invoice is left."""
    event = session.get_one(PaymentEvent, event_id)
    documents = _lock_documents(session, event)
    if not documents or _of_event(documents, event_id):
        return None
    # A bank may take back what we had refunded. A credit note is about money of the invoice only.
    cents = min(int(event.details["amount"]), _sum_documents(documents).amount_cents)
    if cents <= 0:
        return None
    correction = _Correction(
        InvoiceKind.CREDIT_NOTE, LineKind.DISPUTE, documents[0], cents, event.at, event_id=event_id
    )
    return _correct(session, documents, correction)


def issue_returned_dispute(session: Session, event_id: UUID) -> Invoice | None:
    """Issue the invoice that takes the credit note of a lost dispute back: it was won after all."""
    event = session.get_one(PaymentEvent, event_id)
    documents = _lock_documents(session, event)
    lost_id = session.scalars(find_lost_event(event)).one_or_none()
    earlier = _of_event(documents, lost_id) if lost_id else []
    if not earlier or _of_event(documents, event_id):
        return None
    cents = earlier[0].amount_cents
    correction = _Correction(
        InvoiceKind.INVOICE, LineKind.DISPUTE_RETURNED, earlier[0], cents, event.at, event_id=event_id
    )
    return _correct(session, documents, correction)


def find_lost_event(won: PaymentEvent | type[PaymentEvent]) -> sa.Select[UUID]:
    """Select the loss of a dispute that was recorded before it was won. Ids are in the order of recording."""
    lost = aliased(PaymentEvent)
    return sa.select(lost.id).where(
        lost.kind == PaymentEventKind.DISPUTE_LOST,
        lost.payment_id == won.payment_id,
        lost.subject == won.subject,
        lost.id < won.id,
    )


def _correct_refund(kind: InvoiceKind, line: LineKind, corrected: Invoice, refund: Refund) -> _Correction:
    moved_at = refund.settled_at or clock()
    return _Correction(
        kind, line, corrected, refund.amount_cents, moved_at, refund_id=refund.id, reason=refund.reason
    )


def _correct(session: Session, documents: Sequence[Invoice], correction: _Correction) -> Invoice:
    first = InvoiceContents.model_validate(documents[0].contents)
    cents, corrected = correction.amount_cents, correction.corrected
    signed = -cents if correction.kind is InvoiceKind.CREDIT_NOTE else cents
    contents = first.model_copy(
        update={
            "lines": (InvoiceLine(kind=correction.line, plan=first.plan, amount_cents=cents),),
            "paid_at": correction.moved_at,
            "vat_cents": _measure_moved_vat(documents, signed, first.vat_percent),
            "seller": name_present_seller(),
            "corrects": CorrectedInvoice(number=corrected.number, issued_at=corrected.issued_at),
            "reason": correction.reason,
        }
    )
    row = Invoice(
        kind=correction.kind,
        payment_id=corrected.payment_id,
        refund_id=correction.refund_id,
        event_id=correction.event_id,
        corrects_id=corrected.id,
        amount_cents=cents,
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


def _lock_documents(session: Session, cause: Refund | PaymentEvent) -> list[Invoice]:
    """Lock the payment of a cause, refresh the cause, and return the payment's documents, its invoice first."""
    _lock_payment(session, cause.payment_id)
    session.refresh(cause)
    return _find_documents(session, cause.payment_id)


def _find_documents(session: Session, payment_id: UUID) -> list[Invoice]:
    mine = sa.select(Invoice).where(Invoice.payment_id == payment_id)
    return list(session.scalars(mine.order_by(Invoice.corrects_id.is_not(None), Invoice.id)))


def _of_refund(documents: Sequence[Invoice], refund_id: UUID) -> list[Invoice]:
    return [each for each in documents if each.refund_id == refund_id]


def _of_event(documents: Sequence[Invoice], event_id: UUID) -> list[Invoice]:
    return [each for each in documents if each.event_id == event_id]
