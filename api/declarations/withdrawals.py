"""Withdrawals from the account or by the link of the order mail: their author is known, so they count at once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.declarations.acknowledgements import acknowledge
from api.declarations.refusals import Refusal
from api.models.base import new_id
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment
from api.payments.errors import WithdrawalRefused
from api.payments.ledger import lock_payment
from api.payments.withdrawal import quote_withdrawal
from api.payments.withdrawal_periods import find_period, was_informed
from configs.clock import clock

RECEIVED = "withdrawal_received"  # the kind of the acknowledgement


@dataclass(frozen=True, slots=True)
class WrittenDeclaration:
    """A declaration, and the notifications to nudge after the commit."""

    row: Declaration
    mails: list[UUID]


@dataclass(frozen=True, slots=True)
class Author:
    """Who declares: name and address are None where they are not given."""

    made_by: DeclaredBy
    language: str
    name: str | None = None
    email: str | None = None  # for the acknowledgement, where no account has one


def declare_withdrawal(session: Session, payment_id: UUID, author: Author) -> WrittenDeclaration:
    """Write a withdrawal from an order; repeated, it returns the first one. `apply_declaration` follows the commit.

    Raises:
        api.payments.errors.WithdrawalRefused: the period is over, or there is no right to withdraw.
    """
    now = clock()  # not after the lock: who declares in the last second must not be late for having waited
    order = lock_payment(session, payment_id)
    if standing := find_standing(session, order.id):
        return WrittenDeclaration(standing, [])
    quote_in_period(session, order, now)
    row = Declaration(
        id=new_id(),
        kind=DeclarationKind.WITHDRAWAL,
        made_at=now,
        made_by=author.made_by,
        user_id=order.user_id,
        payment_id=order.id,
        subscription_id=order.subscription_id,
        name=author.name,
        email=author.email if order.user_id is None else None,
        reference=order.order_number,
        language=author.language,
        confirmed_at=now,
        takes_effect_at=now,
    )
    session.add(row)
    session.flush()
    return WrittenDeclaration(row, acknowledge(session, row, RECEIVED))


def quote_in_period(session: Session, order: Payment, declared_at: datetime) -> int:
    """Return the cents that a withdrawal declared at this instant gives back.

    Raises:
        api.payments.errors.WithdrawalRefused: the period is over, or there is no right to withdraw.
    """
    if order.paid_at and order.consented_at and not find_period(session, order).includes(declared_at):
        raise WithdrawalRefused(Refusal.PERIOD_OVER, "the time to withdraw from this order is over")
    return quote_withdrawal(session, order, declared_at, informed=was_informed(session, order, declared_at))


def find_first_instant(session: Session, row: Declaration) -> datetime:
    """Return the second from which a withdrawal counts: that of an earlier one from its order, where one still waits.

    Who declares by the form and then in the account has withdrawn when they first said so.
    """
    waiting = sa.select(sa.func.min(Declaration.made_at)).where(
        Declaration.kind == DeclarationKind.WITHDRAWAL,
        Declaration.payment_id == row.payment_id,
        sa.text(OPEN_DECLARATION),
    )
    return min(row.made_at, session.scalar(waiting) or row.made_at)


def find_standing(session: Session, payment_id: UUID) -> Declaration | None:
    """Return the withdrawal from an order that counts: one from the account or a link, or a form's that was applied."""
    mine = sa.select(Declaration).where(
        Declaration.kind == DeclarationKind.WITHDRAWAL,
        Declaration.payment_id == payment_id,
        Declaration.refused_because.is_(None),
        (Declaration.made_by != DeclaredBy.FORM) | Declaration.applied_at.is_not(None),
    )
    return session.scalars(mine.order_by(Declaration.made_at).limit(1)).one_or_none()
