"""Until when users may withdraw from their orders: each period counts from the order mail, once it was handed over.

That mail holds the notice of the right and the model form.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification
from api.models.payment import Payment
from configs.withdrawal_period import WithdrawalPeriod, find_withdrawal_period

# The order mail's: api/payments/notices.py and the notifier's suffix for the channel.
_MAIL_KEY = sa.literal("order:") + sa.cast(Payment.id, sa.Text) + sa.literal(":email")
_UNNOTED = (
    Payment.order_mail_at.is_(None),
    Payment.paid_at.is_not(None),
    Payment.consented_at.is_not(None),
)


def find_period(session: Session, order: Payment) -> WithdrawalPeriod:
    """Return the period of an order that was paid."""
    return list_periods(session, [order])[order.id]


def list_periods(session: Session, orders: Iterable[Payment]) -> dict[UUID, WithdrawalPeriod]:
    """Return the periods of orders by id; renewals and what was not paid have none. At most one statement."""
    paid = [each for each in orders if each.consented_at and each.paid_at]
    informed = _find_informed(session, paid)
    return {
        each.id: find_withdrawal_period(each.paid_at, informed.get(each.id)) for each in paid if each.paid_at
    }


def was_informed(session: Session, order: Payment, at: datetime) -> bool:
    """Return whether the order mail had been handed over by this instant."""
    informed_at = _find_informed(session, [order]).get(order.id)
    return informed_at is not None and informed_at <= at


def _find_informed(session: Session, paid: Iterable[Payment]) -> dict[UUID, datetime]:
    """Return when the order mails were handed over, by order; those that were not have none."""
    noted = {each.id: each.order_mail_at for each in paid if each.order_mail_at}
    keys = {f"order:{each.id}:email": each.id for each in paid if each.id not in noted}
    if not keys:
        return noted
    mails = sa.select(Notification.dedupe_key, Notification.accepted_at)
    found = session.execute(mails.where(Notification.dedupe_key.in_(keys)))
    return noted | {keys[key]: accepted_at for key, accepted_at in found if accepted_at}


def note_order_mails(session: Session, user_id: UUID | None = None) -> int:
    """Write when the order mails were handed over, of one user or all, and return how many are new.

    It outlives the mails, which go with the account.
    """
    whose = [Payment.user_id == user_id] if user_id else []
    noted = (
        sa.update(Payment)
        .where(*_UNNOTED, *whose, Notification.dedupe_key == _MAIL_KEY, Notification.accepted_at.is_not(None))
        .values(order_mail_at=Notification.accepted_at)
        .execution_options(synchronize_session=False)
    )
    return cast("sa.CursorResult[Any]", session.execute(noted)).rowcount
