"""Helpers for tests of documents: issuing, and payments and refunds written past Stripe."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.invoices.jobs import issue_due
from api.models.base import new_id, session
from api.models.invoice import Invoice, InvoiceKind
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, Refund, RefundReason, RefundStatus
from configs.clock import clock
from configs.plan import PlanName


def pay(user_id: UUID | None = None, cents: int = 1499, at: datetime | None = None, **columns: Any) -> UUID:
    """Write a paid order."""
    payment_id, paid_at = new_id(), at or clock()
    values: dict[str, Any] = {"consent": {"startNow": True}, "consented_at": paid_at} | columns
    with session() as s:
        s.add(
            Payment(
                id=payment_id,
                user_id=user_id,
                plan=PlanName.URGENCE_7J,
                amount_cents=cents,
                created_at=paid_at,
                **values,
            )
        )
        s.flush()
        s.add(
            PaymentEvent(payment_id=payment_id, kind=PaymentEventKind.PAID, at=paid_at, recorded_at=clock())
        )
    return payment_id


def refund(payment_id: UUID, cents: int, status: RefundStatus = RefundStatus.SUCCEEDED) -> UUID:
    """Write a refund that is settled."""
    refund_id = new_id()
    with session() as s:
        s.add(
            Refund(
                id=refund_id,
                payment_id=payment_id,
                amount_cents=cents,
                reason=RefundReason.OPERATOR,
                status=status,
                settled_at=clock(),
            )
        )
    return refund_id


def return_refund(refund_id: UUID) -> None:
    """Let the bank send a refund back."""
    with session() as s:
        s.get_one(Refund, refund_id).status = RefundStatus.FAILED


def end_dispute(payment_id: UUID, cents: int, kind: PaymentEventKind = PaymentEventKind.DISPUTE_LOST) -> None:
    """Write how a dispute ended."""
    details = {"amount": cents, "reason": "fraudulent"}
    with session() as s:
        s.add(
            PaymentEvent(
                payment_id=payment_id,
                kind=kind,
                subject="du_1",
                at=clock(),
                recorded_at=clock(),
                details=details,
            )
        )


def issue() -> list[Invoice]:
    """Issue what is due; return all documents in the order of their issue."""
    issue_due(60)
    return list_documents()


def list_documents() -> list[Invoice]:
    with session() as s:
        return list(s.scalars(sa.select(Invoice).order_by(Invoice.id)))


def list_numbers() -> list[str]:
    return [each.number for each in list_documents()]


def sum_documents(documents: list[Invoice], field: str = "amount_cents") -> int:
    """Return invoices less credit notes, in cents; `vat_cents` sums the tax."""
    values = [each.amount_cents if field == "amount_cents" else each.contents[field] for each in documents]
    signs = [1 if each.kind is InvoiceKind.INVOICE else -1 for each in documents]
    return sum(sign * value for sign, value in zip(signs, values, strict=True))


def sum_ledger() -> int:
    """Return what came less what went back, as payments and refunds have it."""
    with session() as s:
        came = s.scalars(
            sa.select(sa.func.coalesce(sa.func.sum(Payment.amount_cents), 0)).where(
                Payment.paid_at.is_not(None)
            )
        ).one()
        back = s.scalars(
            sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_cents), 0)).where(
                Refund.status == RefundStatus.SUCCEEDED
            )
        ).one()
        for lost in s.scalars(
            sa.select(PaymentEvent).where(PaymentEvent.kind == PaymentEventKind.DISPUTE_LOST)
        ):
            won = sa.exists().where(
                PaymentEvent.payment_id == lost.payment_id, PaymentEvent.kind == PaymentEventKind.DISPUTE_WON
            )
            back += 0 if s.scalar(sa.select(won)) else lost.details["amount"]
    return came - back
