"""Losses by a deletion: the plans that run, their end, the price of their time left, and what of it goes back.

Notices of cancellation that wait take effect with it: their author was told that the unused days go back, and from the
deletion on no day is used.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.declarations.cancellation_dates import quote_refund
from api.declarations.cancellations import apply_cancellation
from api.models.declaration import Declaration
from api.models.payment import Payment, PaymentStatus, Subscription
from api.models.user import Grant
from api.payments.book import read_balances
from api.payments.grants import measure_use
from api.payments.subscriptions import select_open_notices
from api.schemas import LostPlan
from configs.world.plan import PlanName


def list_losses(session: Session, user_id: UUID, now: datetime) -> list[LostPlan]:
    """Return the plans that run now or later, each with the cents that its time left cost."""
    running = (
        sa.select(Grant.plan, sa.func.max(Grant.ends_at))
        .where(Grant.user_id == user_id, Grant.ends_at > now)
        .group_by(Grant.plan)
        .order_by(Grant.plan)
    )
    found = session.execute(running).all()
    cents = _price_time_left(session, user_id, now) if found else {}
    back = quote_refunds(session, user_id, now) if found else {}
    renewed = set(session.scalars(_select_renewed(user_id))) if found else set()
    return [
        LostPlan(
            plan=name,
            ends_at=ends,
            amount=max(cents.get(name, 0) - back.get(name, 0), 0),
            refund=back.get(name, 0),
            currency="eur",
            renews=name in renewed,
        )
        for name, ends in found
    ]


def _price_time_left(session: Session, user_id: UUID, now: datetime) -> dict[PlanName, int]:
    """Return the price of the time left of each plan, rounded down: what a withdrawal gives back is computed there."""
    mine = (Payment.user_id == user_id, Payment.status == PaymentStatus.COMPLETED)
    paid = sa.select(Payment).join(Grant, Grant.payment_id == Payment.id).where(*mine, Grant.ends_at > now)
    cents: dict[PlanName, int] = {}
    for payment in session.scalars(paid.distinct()):
        used, bought = measure_use(session, payment, now)
        left = payment.amount_cents * (bought - used) // bought if bought else 0
        left = min(left, read_balances(session, payment.id).refundable)
        cents[payment.plan] = cents.get(payment.plan, 0) + left
    return cents


def _select_renewed(user_id: UUID) -> sa.Select[PlanName]:
    goes_on = (Subscription.ended_at.is_(None), Subscription.cancel_wanted_at.is_(None))
    return sa.select(Subscription.plan).where(
        Subscription.user_id == user_id, *goes_on, Subscription.cancel_at.is_(None)
    )


def apply_notices(session: Session, user_id: UUID, now: datetime) -> int:
    """Let the notices that announced a refund take effect now; return the cents that go back. The user is locked."""
    back = 0
    for _, notice in _list_notices(session, user_id):
        session.refresh(notice, with_for_update=True)
        if notice.is_open and notice.takes_effect_at:
            notice.takes_effect_at = min(notice.takes_effect_at, now)
            apply_cancellation(session, notice, now)
            back += notice.refund_cents or 0
    session.flush()
    return back


def quote_refunds(session: Session, user_id: UUID, now: datetime) -> dict[PlanName, int]:
    """Return the cents that a deletion now would pay back, by plan."""
    cents: dict[PlanName, int] = {}
    for contract, notice in _list_notices(session, user_id):
        ends = min(notice.takes_effect_at or now, now)
        cents[contract.plan] = cents.get(contract.plan, 0) + quote_refund(session, contract, ends)
    return cents


def _list_notices(session: Session, user_id: UUID) -> Iterator[tuple[Subscription, Declaration]]:
    """Yield each contract of which a notice waits that announced a refund, with the first one."""
    mine = sa.select(Subscription).where(Subscription.user_id == user_id).order_by(Subscription.id)
    for contract in session.scalars(mine).all():
        refunding = select_open_notices(contract.id).where(~Declaration.at_period_end)
        if notice := session.scalars(refunding.limit(1)).one_or_none():
            yield contract, notice
