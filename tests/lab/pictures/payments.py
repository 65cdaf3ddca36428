"""Payments of the filled world: a subscription with a renewal, orders that were refunded, never paid, still waiting."""

from datetime import datetime, timedelta
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.invoice import Invoice
from api.models.payment import (
    Payment,
    PaymentEvent,
    PaymentEventKind,
    Refund,
    RefundReason,
    RefundStatus,
    Subscription,
)
from api.models.user import Grant
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import post_ordered, post_paid, post_settled
from api.payments.ledger.stripe_ids import link_id
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan
from configs.world.sales_terms import find_newest_version

_DAY = timedelta(days=1)
_ISSUE_SECONDS = 60.0


def write_payments(user_id: UUID) -> UUID:
    """Write them for a user; return the id of one that was refunded in part."""
    now = clock()
    with session() as s:
        subscription = Subscription(
            user_id=user_id, plan=PlanName.URGENCE_TOTAL, status="active", period_starts_at=now - 9 * _DAY,
            period_ends_at=now + 21 * _DAY,
        )  # fmt: skip
        s.add(subscription)
        s.flush()
        refunded = _add_order(s, user_id, PlanName.URGENCE_7J, now - 80 * _DAY)
        _add_refund(s, refunded, 214)
        _add_order(s, user_id, PlanName.URGENCE_24H, now - 45 * _DAY, kind=PaymentEventKind.EXPIRED)
        for days in (39, 9):
            at = now - days * _DAY
            order = _add_order(s, user_id, PlanName.URGENCE_TOTAL, at, subscription, is_renewal=days < 30)
            given = {"user_id": user_id, "plan": PlanName.URGENCE_TOTAL, "payment_id": order.id}
            s.add(Grant(starts_at=at, ends_at=at + 30 * _DAY, source="payment", **given))
        _declare(s, refunded, now)
        return refunded.id


def _declare(s: Session, order: Payment, now: datetime) -> None:
    """Write declarations that wait to be confirmed; their ids follow from the order's, for their pages' addresses."""
    kinds = {DeclarationKind.WITHDRAWAL: order.id, DeclarationKind.CANCELLATION: name_notice(order.id)}
    s.add_all(
        Declaration(
            id=known, kind=kind, made_by=DeclaredBy.FORM, made_at=now, name="Camille Martin",
            email="camille@example.org", reference="7KQ2M9XWPA", takes_effect_at=now + 3 * _DAY,
        )
        for kind, known in kinds.items()
    )  # fmt: skip


def name_notice(payment_id: UUID) -> UUID:
    """Return the id of the cancellation that is written with an order."""
    return uuid5(payment_id, "notice")


def write_invoices(payment_id: UUID) -> UUID:
    """Issue the documents of all payments; return the newest of one."""
    issue_due(_ISSUE_SECONDS)
    mine = sa.select(Invoice.id).where(Invoice.payment_id == payment_id).order_by(Invoice.id.desc())
    with session() as s:
        return s.scalars(mine.limit(1)).one()


def _add_order(
    s: Session, user_id: UUID, name: PlanName, at: datetime, subscription: Subscription | None = None, *,
    kind: PaymentEventKind = PaymentEventKind.PAID, is_renewal: bool = False,
) -> Payment:  # fmt: skip
    payment = Payment(user_id=user_id, plan=name, amount_cents=plan(name).price_cents, created_at=at)
    payment.subscription_id = subscription.id if subscription else None
    if not is_renewal:
        payment.terms_version, payment.consented_at = find_newest_version(), at
        payment.consent = {"startNow": True, "acknowledgesLoss": True}
    s.add(payment)
    s.flush()
    s.add(PaymentEvent(payment_id=payment.id, kind=kind, at=at, recorded_at=at))
    s.flush()
    if kind is PaymentEventKind.PAID:
        post_paid(s, payment)
    return payment


def _add_refund(s: Session, payment: Payment, cents: int) -> None:
    refund = Refund(payment_id=payment.id, amount_cents=cents, reason=RefundReason.OUTAGE)
    s.add(refund)
    s.flush()
    post_ordered(s, refund, payment.id)
    refund.status = RefundStatus.SUCCEEDED
    s.flush()
    link_id(s, f"re_{refund.id}", "refund", refund)
    post_settled(s, refund, f"re_{refund.id}", RefundStatus.PLANNED)
