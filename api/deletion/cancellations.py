"""Notices of cancellation that wait while their account is deleted: they take effect with it.

Their author was told that the unused days go back. From the deletion on no day is used, so all of those are paid back.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.declarations.cancellation_dates import quote_refund
from api.declarations.cancellations import apply_cancellation
from api.models.declaration import Declaration
from api.models.payment import Subscription
from api.payments.subscriptions import select_open_notices
from configs.world.plan import PlanName


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
