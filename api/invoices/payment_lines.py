"""Order, lines and period of a payment, as its invoice names them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.invoices.contents import InvoiceLine, LineKind
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PlanCredit
from api.models.user import Grant

_PAID = "payment"  # source of a grant that a payment gives


@dataclass(frozen=True, slots=True)
class NamedOrder:
    """An order's number, and the name that its user gave for documents."""

    number: str
    client_name: str | None


def name_order(session: Session, payment: Payment) -> NamedOrder:
    """Return the order of a payment; that of a renewal began its subscription."""
    order = payment
    if payment.consented_at is None and payment.subscription_id:
        first = sa.select(Payment).where(
            Payment.subscription_id == payment.subscription_id, Payment.consented_at.is_not(None)
        )
        order = session.scalars(first.order_by(Payment.id).limit(1)).one_or_none() or payment
    return NamedOrder(order.order_number or str(order.id), order.client_name)


def list_payment_lines(session: Session, payment: Payment) -> Iterator[InvoiceLine]:
    """Yield the lines of a paid payment; they add up to what was paid."""
    paid, plan = payment.amount_cents, payment.plan
    if payment.consented_at is None:
        yield InvoiceLine(kind=LineKind.RENEWAL, plan=plan, amount_cents=paid)
        return
    credits_ = _list_credits(session, payment.id)
    discount = max(_read_asked(session, payment) - paid, 0)
    price = paid + discount + sum(cents for _, cents in credits_)
    yield InvoiceLine(kind=LineKind.PLAN, plan=plan, amount_cents=price)
    for ended, cents in credits_:
        yield InvoiceLine(kind=LineKind.UPGRADE_CREDIT, plan=ended.plan, amount_cents=-cents)
    if discount:
        yield InvoiceLine(kind=LineKind.DISCOUNT, plan=plan, amount_cents=-discount)


def read_period(session: Session, payment_id: UUID) -> tuple[datetime | None, datetime | None]:
    """Return the period that a payment pays for; None twice where its plan never began."""
    paid = sa.select(sa.func.min(Grant.starts_at), sa.func.max(Grant.ends_at)).where(
        Grant.payment_id == payment_id, Grant.source == _PAID
    )
    starts_at, ends_at = session.execute(paid).one()
    return starts_at, ends_at


def _list_credits(session: Session, payment_id: UUID) -> list[tuple[Payment, int]]:
    """Return the cheaper plans' payments that an order credits, each with what it takes off the price."""
    credited = (
        sa.select(Payment, PlanCredit.amount_cents)
        .join(PlanCredit, PlanCredit.credited_payment_id == Payment.id)
        .where(PlanCredit.payment_id == payment_id, PlanCredit.amount_cents > 0)
    )
    return [(ended, cents) for ended, cents in session.execute(credited.order_by(Payment.id))]


def _read_asked(session: Session, payment: Payment) -> int:
    """Return what the order asked for, before a promotion code."""
    details = session.scalars(
        sa.select(PaymentEvent.details).where(
            PaymentEvent.payment_id == payment.id, PaymentEvent.kind == PaymentEventKind.PAID
        )
    ).one()
    return int(details.get("asked", payment.amount_cents))
