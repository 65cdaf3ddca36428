"""Documents that are missing: found by what lacks one, so that no event, restart or older version loses one."""

from collections.abc import Callable, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.invoices.issuing import (
    find_lost_event,
    issue_credit_note,
    issue_dispute_note,
    issue_invoice,
    issue_returned_dispute,
    issue_returned_refund,
)
from api.models.invoice import Invoice, InvoiceKind
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, Refund, RefundStatus

Issue = Callable[[Session, UUID], Invoice | None]


def list_due(session: Session, most: int) -> Sequence[tuple[Issue, UUID]]:
    """Return what lacks a document: payments in the order in which they were paid, then what corrects them."""
    payments = session.scalars(_find_payments().limit(most)).all()
    credit_notes = session.scalars(_find_refunds().limit(most)).all()
    returned = session.scalars(_find_returned().limit(most)).all()
    disputes = session.scalars(_find_lost_disputes().limit(most)).all()
    won = session.scalars(_find_won_disputes().limit(most)).all()
    return [
        *((issue_invoice, each) for each in payments),
        *((issue_credit_note, each) for each in credit_notes),
        *((issue_returned_refund, each) for each in returned),
        *((issue_dispute_note, each) for each in disputes),
        *((issue_returned_dispute, each) for each in won),
    ][:most]


def _find_payments() -> sa.Select[UUID]:
    has_one = sa.exists().where(Invoice.payment_id == Payment.id, Invoice.corrects_id.is_(None))
    due = sa.select(Payment.id).where(Payment.paid_at.is_not(None), Payment.amount_cents > 0, ~has_one)
    return due.order_by(Payment.paid_at, Payment.id)


def _find_refunds() -> sa.Select[UUID]:
    has_one = sa.exists().where(Invoice.refund_id == Refund.id)
    billed = sa.exists().where(Invoice.payment_id == Refund.payment_id, Invoice.corrects_id.is_(None))
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


def _find_lost_disputes() -> sa.Select[UUID]:
    """Select the losses that were not won since: the money of those came back before there was a document."""
    has_one = sa.exists().where(Invoice.event_id == PaymentEvent.id)
    billed = sa.exists().where(Invoice.payment_id == PaymentEvent.payment_id, Invoice.corrects_id.is_(None))
    won = aliased(PaymentEvent)
    won_since = sa.exists().where(
        won.kind == PaymentEventKind.DISPUTE_WON,
        won.payment_id == PaymentEvent.payment_id,
        won.subject == PaymentEvent.subject,
        won.id > PaymentEvent.id,
    )
    lost = PaymentEvent.kind == PaymentEventKind.DISPUTE_LOST
    return sa.select(PaymentEvent.id).where(lost, billed, ~has_one, ~won_since).order_by(PaymentEvent.id)


def _find_won_disputes() -> sa.Select[UUID]:
    noted = aliased(Invoice)
    has_one = sa.exists().where(Invoice.event_id == PaymentEvent.id)
    has_note = sa.exists().where(noted.event_id.in_(find_lost_event(PaymentEvent)))
    won = PaymentEvent.kind == PaymentEventKind.DISPUTE_WON
    return sa.select(PaymentEvent.id).where(won, has_note, ~has_one).order_by(PaymentEvent.id)
