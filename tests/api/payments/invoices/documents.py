"""Helpers for tests of documents: issuing, and payments and refunds written past Stripe."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.models.base import new_id, session
from api.models.book import Account, BookLine
from api.models.invoice import Invoice, InvoiceKind
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, Refund, RefundReason, RefundStatus
from api.payments.gateway.facts import DisputeFacts
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import post_dispute, post_ordered, post_paid, post_settled
from api.payments.ledger.stripe_ids import link_id
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.factories import rows


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
        s.flush()
        post_paid(s, s.get_one(Payment, payment_id))
    return payment_id


def refund(payment_id: UUID, cents: int, status: RefundStatus = RefundStatus.SUCCEEDED) -> UUID:
    """Write a refund that is settled."""
    with session() as s:
        row = Refund(
            id=new_id(), payment_id=payment_id, amount_cents=cents, reason=RefundReason.OPERATOR, status=status,
            settled_at=clock(),
        )  # fmt: skip
        s.add(row)
        s.flush()
        post_ordered(s, row, payment_id)
        link_id(s, f"re_{row.id}", "refund", row)
        post_settled(s, row, f"re_{row.id}", RefundStatus.PLANNED)
    return row.id


def return_refund(refund_id: UUID) -> None:
    """Let the bank send a refund back."""
    with session() as s:
        row = s.get_one(Refund, refund_id)
        row.status = RefundStatus.FAILED
        post_settled(s, row, f"re_{refund_id}", RefundStatus.SUCCEEDED)


def end_dispute(payment_id: UUID, cents: int, status: str = "lost") -> None:
    """Write how a dispute ended, by Stripe's word."""
    facts = DisputeFacts(
        id=f"du_{payment_id}",
        payment_intent=None,
        amount=cents,
        status=status,
        reason="fraudulent",
        created=clock(),
    )
    with session() as s:
        post_dispute(s, s.get_one(Payment, payment_id), facts, facts.id)


def issue() -> list[Invoice]:
    """Issue what is due; return all documents in the order of their issue."""
    issue_due(60)
    return rows(Invoice)


def list_numbers() -> list[str]:
    return [each.number for each in rows(Invoice)]


def sum_documents(documents: list[Invoice], field: str = "amount_cents") -> int:
    """Return invoices less credit notes, in cents; `vat_cents` sums the tax."""
    values = [each.amount_cents if field == "amount_cents" else each.contents[field] for each in documents]
    signs = [1 if each.kind is InvoiceKind.INVOICE else -1 for each in documents]
    return sum(sign * value for sign, value in zip(signs, values, strict=True))


def sum_ledger() -> int:
    """Return what came less what went back, as the book has it."""
    held = BookLine.account.in_((Account.CASH, Account.BANK, Account.DISPUTED))
    with session() as s:
        return s.scalars(sa.select(sa.func.coalesce(sa.func.sum(BookLine.cents), 0)).where(held)).one()
