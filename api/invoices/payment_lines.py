"""Order, lines and period of a payment, as its invoice names them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.invoices.contents import InvoiceLine, LineKind
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PlanCredit, Subscription
from api.models.user import Grant
from api.payments.subscriptions import find_order_of
from configs.plan import plan

_PAID = "payment"  # source of a grant that a payment gives


def name_order(session: Session, payment: Payment) -> tuple[str, str | None]:
    """Return the number of a payment's order, and the name that its user gave for documents.

    The order of a renewal began its subscription.
    """
    order = payment
    if payment.consented_at is None and payment.subscription_id:
        order = find_order_of(session, payment.subscription_id) or payment
    return order.number, order.client_name


def list_payment_lines(session: Session, payment: Payment) -> Iterator[InvoiceLine]:
    """Yield the lines of a paid payment; they add up to what was paid."""
    paid, name = payment.amount_cents, payment.plan
    if payment.consented_at is None:
        yield InvoiceLine(kind=LineKind.RENEWAL, plan=name, amount_cents=paid)
        return
    credits_ = _list_credits(session, payment.id)
    discount = max(_read_asked(session, payment) - paid, 0)
    price = paid + discount + sum(cents for _, cents in credits_)
    yield InvoiceLine(kind=LineKind.PLAN, plan=name, amount_cents=price)
    for ended, cents in credits_:
        yield InvoiceLine(kind=LineKind.UPGRADE_CREDIT, plan=ended.plan, amount_cents=-cents)
    if discount:
        yield InvoiceLine(kind=LineKind.DISCOUNT, plan=name, amount_cents=-discount)


def read_period(session: Session, payment: Payment) -> tuple[datetime | None, datetime | None]:
    """Return the period that a payment pays for; None twice where its plan never began.

    It is what was bought, also where a withdrawal or an upgrade has ended it before the invoice is issued.
    """
    paid = sa.select(Grant).where(Grant.payment_id == payment.id, Grant.source == _PAID)
    grants = session.scalars(paid).all()
    if not grants:
        return None, None
    starts_at, ends_at = min(each.starts_at for each in grants), max(each.ends_at for each in grants)
    bought = _read_bought_end(session, payment, starts_at)
    return starts_at, max(ends_at, bought) if bought else ends_at


def _read_bought_end(session: Session, payment: Payment, starts_at: datetime) -> datetime | None:
    if seconds := plan(payment.plan).duration_seconds:
        return starts_at + timedelta(seconds=seconds)
    subscription = session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
    if subscription and subscription.period_starts_at == starts_at:
        return subscription.period_ends_at
    return None


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
