"""Payments of the filled world: a subscription with a renewal, orders that were refunded, never paid, still waiting."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import session
from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.invoice import Invoice
from api.models.organisation import Organisation, WatchedDay
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
from api.organisations.ends import apply_grant
from api.organisations.service import list_versions
from api.payments.invoices.contents import PARIS
from api.payments.invoices.issuing import issue_due
from api.payments.ledger.book import post_ordered, post_paid, post_settled
from api.payments.ledger.stripe_ids import link_id
from api.payments.organisations.bills import write_bill
from api.payments.organisations.service import TERMS
from api.payments.organisations.use import begin_month, read_use
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan
from configs.world.sales_terms import find_newest_version

_DAY = timedelta(days=1)
_ISSUE_SECONDS = 60.0
_WHOLE, _WORKING = 2**24 - 1, 0b0000_0111_1111_1111_0000_0000  # hours of a day
_USED = (
    (_WHOLE, 99),
    (_WHOLE, 99),
    (_WHOLE, 40),
    (_WORKING, 99),
    (_WHOLE, 4),
    (_WORKING, 12),
    (_WHOLE, 99),
    (_WHOLE, 33),
)


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


def write_use(organisation_id: UUID, owner_id: UUID) -> None:
    """Let an organisation use something since last month began, and bill that month."""
    today = clock().astimezone(PARIS).date()
    begins, ends = (begin_month(today, later) for later in (-1, 0))
    first = begins.astimezone(PARIS).date()
    days = [
        WatchedDay(organisation_id=organisation_id, reference=person, day=first + number * _DAY, hours=hours)
        for person, (hours, most) in enumerate(_USED, 1)
        for number in range(min((today - first).days, most))
    ]
    terms = {"firm_terms_version": list_versions(TERMS)[0], "firm_terms_accepted_by": owner_id}
    times = {"billed_since": begins, "billed_until": ends, "free_until": begins}
    firm: dict[str, Any] = {"siren": "732829320", "purchase_order": "BC 2026-118", "most_watched": 12}
    with session() as s:
        s.add_all(days)
        row = s.get_one(Organisation, organisation_id, with_for_update=True)
        for name, value in (terms | times | firm).items():
            setattr(row, name, value)
        s.flush()
        apply_grant(s, row)
        write_bill(s, row, read_use(s, row, begins, ends), begins, ends)


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
