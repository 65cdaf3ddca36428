"""Until when users may withdraw from their orders, and orders that begin later after a withdrawal.

A period counts from the order mail, once it was handed over: it holds the notice of the right and the model form.

The right to withdraw stays as it is. The orders of a person who withdrew from another one within the last 90 days are
not asked to begin at once: one begins when its own time to withdraw is over, and nothing of its price is owed before
(L.221-25 Code de la consommation). So a plan cannot be used for minutes and given back again and again.

A person is an account. A withdrawal by the form, made after an account was deleted, is found by its address, too. Of a
withdrawal made before that, nothing is kept that names its author.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.notification import Notification
from api.models.payment import Payment
from api.models.user import Grant, User
from configs.ground.addresses import fold_address
from configs.ground.clock import clock
from configs.world.withdrawal_period import WithdrawalPeriod, find_withdrawal_period

REMEMBERED = timedelta(days=90)
_HAND_OVER = timedelta(hours=1)  # within it the order mail, from which the period counts, may pass midnight
# The order mail's: api/payments/ledger/notices.py and the notifier's suffix for the channel.
_MAIL_KEY = sa.literal("order:") + sa.cast(Payment.id, sa.Text) + sa.literal(":email")


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
        .where(Payment.order_mail_at.is_(None), Payment.paid_at.is_not(None), *whose)
        .where(
            Payment.consented_at.is_not(None),
            Notification.dedupe_key == _MAIL_KEY,
            Notification.accepted_at.is_not(None),
        )
        .values(order_mail_at=Notification.accepted_at)
        .execution_options(synchronize_session=False)
    )
    return cast("sa.CursorResult[Any]", session.execute(noted)).rowcount


def find_later_orders_end(session: Session, user_id: UUID, now: datetime) -> datetime | None:
    """Return until when a user's orders begin later; None where they begin at once."""
    email = session.scalar(sa.select(User.email_folded).where(User.id == user_id))
    theirs = _select_withdrawals(user_id, email, now).subquery()
    last = session.scalar(sa.select(sa.func.max(theirs.c.made_at)))
    return last + REMEMBERED if last else None


def was_overtaken_by_withdrawal(session: Session, order: Payment, paid_at: datetime) -> bool:
    """Return whether an order that was to begin at once was followed by a withdrawal before it was paid."""
    if order.user_id is None or order.consented_at is None or order.begins_later:
        return False
    return find_later_orders_end(session, order.user_id, paid_at) is not None


def find_later_start(session: Session, user_id: UUID | None, now: datetime) -> datetime:
    """Return when an order begins that is paid now and does not begin at once: never beside another plan."""
    handed_over = now + _HAND_OVER
    own = find_withdrawal_period(handed_over, handed_over).ends_at
    held = session.scalar(sa.select(sa.func.max(Grant.ends_at)).where(Grant.user_id == user_id))
    return max(own, held or own)


def count_withdrawals(session: Session, row: Declaration) -> tuple[int, datetime]:
    """Return how many withdrawals the author of this one made within 90 days, this one too, and when the first."""
    email = fold_address(row.email) if row.email else None
    theirs = _select_withdrawals(row.user_id, email, clock()).subquery()
    many, first_at = sa.func.count(sa.distinct(theirs.c.payment_id)), sa.func.min(theirs.c.made_at)
    found = session.execute(sa.select(many, first_at)).one()
    return max(found[0], 1), found[1] or row.made_at


def _select_withdrawals(
    user_id: UUID | None, email: str | None, now: datetime
) -> sa.Select[UUID | None, datetime]:
    """Select from a person's withdrawals, also those that wait to be applied: they count from their second.

    An address counts that its reader confirmed: anybody may type one.
    """
    own = Declaration.user_id == user_id if user_id else sa.false()
    typed = sa.and_(
        Declaration.user_id.is_(None),
        Declaration.made_by == DeclaredBy.FORM,
        Declaration.confirmed_at.is_not(None),
        sa.func.lower(Declaration.email) == email,
    )
    return sa.select(Declaration.payment_id, Declaration.made_at).where(
        Declaration.kind == DeclarationKind.WITHDRAWAL,
        Declaration.made_at > now - REMEMBERED,
        Declaration.made_at <= now,
        Declaration.payment_id.is_not(None),
        Declaration.refused_because.is_(None),
        own | typed,
    )
