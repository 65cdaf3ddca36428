"""Withdrawals: declared by an author who is known, applied, and what a page shows of an order beforehand."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import not_found
from api.models.declaration import OPEN_DECLARATION, Declaration, DeclarationKind, DeclaredBy
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PaymentStatus
from api.models.user import User
from api.payments.declarations.cancellations import close_notices
from api.payments.declarations.records import Author, Refusal, acknowledge, declare, link_order, refuse
from api.payments.gateway.errors import WithdrawalRefused
from api.payments.ledger import notices
from api.payments.ledger.early_ends import quote_withdrawal, withdraw
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.withdrawal_rules import REMEMBERED, count_withdrawals, find_period, list_periods
from configs.ground.clock import clock

RECEIVED, _RESULT = "withdrawal_received", "withdrawn"  # kinds of messages
_REPEATED = 2  # withdrawals of one person that are worth a mail to the admins
_LONGEST = timedelta(days=430)  # of any period


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order, and what a withdrawal from it would give back; or why there is none, or the one that stands."""

    order: Payment
    last_day: date  # of its period
    refund: int | None  # cents
    refusal: str | None  # a word of api.payments.declarations.records.Refusal
    standing: Declaration | None
    language: str | None  # of the account; None where it is gone

    @property
    def has_account(self) -> bool:
        """Whether the account that placed the order is still there."""
        return self.language is not None


def declare_withdrawal(session: Session, payment_id: UUID, author: Author) -> Declaration:
    """Write a withdrawal from an order; repeated, it is the first one. `apply_declaration` follows the commit.

    Raises:
        WithdrawalRefused: the period is over, or there is no right to withdraw.
    """
    now = clock()  # not after the lock: who declares in the last second must not be late for having waited
    order = lock_payment(session, payment_id)
    if standing := find_standing(session, order.id):
        return standing
    quote_in_period(session, order, now)
    row = declare(
        session,
        DeclarationKind.WITHDRAWAL,
        author,
        order,
        made_at=now,
        user_id=order.user_id,
        subscription_id=order.subscription_id,
        email=author.email if order.user_id is None else None,
        confirmed_at=now,
        takes_effect_at=now,
    )
    acknowledge(session, row, RECEIVED)
    return row


def confirm_withdrawal(session: Session, row: Declaration) -> None:
    """Let a locked withdrawal by the form take effect now: its author reads the address that was typed."""
    row.confirmed_at = clock()
    link_order(session, row)
    if row.takes_effect_at:
        row.takes_effect_at = min(row.takes_effect_at, row.confirmed_at)
    session.flush()


def apply_withdrawal(session: Session, row: Declaration, now: datetime) -> None:
    """Apply a locked withdrawal whose time has come, as far as it may be."""
    link_order(session, row)
    if row.payment_id is None:
        refuse(session, row, Refusal.NO_ORDER)
        return
    order = lock_payment(session, row.payment_id)
    try:
        quote_in_period(session, order, row.made_at)
        back = withdraw(session, order.id, find_first_instant(session, row))
    except WithdrawalRefused as error:
        refuse(session, row, error.because)
        if error.because != Refusal.WITHDRAWN_BEFORE:  # the first declaration was answered
            acknowledge(session, row, _RESULT, to_typed=False)
        return
    row.applied_at, row.refund_cents = now, back
    if order.subscription_id:
        close_notices(session, order.subscription_id, but=row.id)
    acknowledge(session, row, _RESULT, to_typed=False)
    _tell_repetition(session, row, now)


def _tell_repetition(session: Session, row: Declaration, now: datetime) -> None:
    many, first_at = count_withdrawals(session, row)
    if many < _REPEATED:
        return
    detail = f"payment {row.payment_id}: withdrawal {many} of one person within {REMEMBERED.days} days"
    # A person by their first withdrawal: their account's id would outlive the account.
    key = f"withdrawn-again:{first_at.isoformat()}:{now:%Y-%m-%d}"
    notices.tell_admins(session, "withdrawn_again", detail, key=key)


def quote_in_period(session: Session, order: Payment, declared_at: datetime) -> int:
    """Return the cents that a withdrawal declared at this instant gives back.

    Raises:
        WithdrawalRefused: the period is over, or there is no right to withdraw.
    """
    if order.paid_at and order.consented_at and not find_period(session, order).includes(declared_at):
        raise WithdrawalRefused(Refusal.PERIOD_OVER, "the time to withdraw from this order is over")
    return quote_withdrawal(session, order, declared_at)


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


def list_open_orders(session: Session, user_id: UUID) -> list[tuple[Payment, date]]:
    """Return the user's orders that are within their period and not withdrawn, the newest first, and its last day."""
    now = clock()
    withdrawn = sa.select(PaymentEvent.payment_id).where(PaymentEvent.kind == PaymentEventKind.WITHDRAWN)
    mine = sa.select(Payment).where(
        Payment.user_id == user_id,
        Payment.consented_at.is_not(None),
        Payment.paid_at > now - _LONGEST,
        Payment.status == PaymentStatus.COMPLETED,
        Payment.id.not_in(withdrawn.where(PaymentEvent.payment_id == Payment.id)),
    )
    orders = session.scalars(mine.order_by(Payment.id.desc())).all()
    periods = list_periods(session, orders)
    return [(each, periods[each.id].last_day) for each in orders if periods[each.id].includes(now)]


def read_order(session: Session, payment_id: UUID, user_id: UUID | None = None) -> OrderState:
    """Return an order that was paid; given a user, one of that user's.

    Raises:
        ApiError: 404.
    """
    order = session.get(Payment, payment_id)
    if (
        order is None
        or not (order.consented_at and order.paid_at)
        or (user_id or order.user_id) != order.user_id
    ):
        raise not_found("order")
    standing = find_standing(session, payment_id)
    refund, refusal = None, None
    if standing is None:
        try:
            refund = quote_in_period(session, order, clock())
        except WithdrawalRefused as error:
            refusal = error.because
    last_day = find_period(session, order).last_day
    language = session.scalar(sa.select(User.language).where(User.id == order.user_id))
    return OrderState(order, last_day, refund, refusal, standing, language)
