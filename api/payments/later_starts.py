"""Orders that begin later: those of a person who withdrew from another order within the last 90 days.

The right to withdraw stays as it is. Such an order is not asked to begin at once: it begins when its own time to
withdraw is over, and nothing of its price is owed before (L.221-25 Code de la consommation). So a plan cannot be used
for minutes and given back again and again.

A person is an account. A withdrawal by the form, made after an account was deleted, is found by its address, too. Of a
withdrawal made before that, nothing is kept that names its author.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.declaration import Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment
from api.models.user import Grant, User
from configs.clock import clock
from configs.contact_addresses import fold_address
from configs.withdrawal_period import find_withdrawal_period

REMEMBERED = timedelta(days=90)
_HAND_OVER = timedelta(hours=1)  # within it the order mail, from which the period counts, may pass midnight


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
