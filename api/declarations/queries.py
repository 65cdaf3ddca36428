"""Reads of withdrawals: the orders that may be withdrawn from, one order with its state, and a declaration."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.declarations.schemas import WithdrawalAnswer
from api.declarations.withdrawals import find_standing, quote_in_period
from api.errors import not_found
from api.models.declaration import Declaration
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PaymentStatus
from api.models.user import User
from api.payments.errors import WithdrawalRefused
from api.payments.withdrawal_periods import find_period, list_periods
from configs.clock import clock
from configs.plan import PlanName

_LONGEST = timedelta(days=430)  # of any period


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order within its period."""

    payment_id: UUID
    number: str
    plan: PlanName
    paid_at: datetime
    last_day: date


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order, and what a withdrawal from it would give back; or why there is none, or the one that stands."""

    order: OpenOrder
    refund: int | None  # cents
    refusal: str | None  # a word of api.declarations.refusals
    standing: Declaration | None
    language: str | None  # of the account; None where it is gone

    @property
    def has_account(self) -> bool:
        """Whether the account that placed the order is still there."""
        return self.language is not None


def list_open_orders(session: Session, user_id: UUID) -> list[OpenOrder]:
    """Return the user's orders that are within their period and not withdrawn, the newest first."""
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
    return [
        _build_order(each, periods[each.id].last_day) for each in orders if periods[each.id].includes(now)
    ]


def read_own_order(session: Session, user_id: UUID, payment_id: UUID) -> OrderState:
    """Return one of the user's orders.

    Raises:
        api.errors.ApiError: 404.
    """
    order = session.get(Payment, payment_id)
    if order is None or order.user_id != user_id:
        raise not_found("order")
    return read_order(session, payment_id)


def read_order(session: Session, payment_id: UUID) -> OrderState:
    """Return an order that was paid.

    Raises:
        api.errors.ApiError: 404.
    """
    order = session.get(Payment, payment_id)
    if order is None or order.consented_at is None or order.paid_at is None:
        raise not_found("order")
    standing = find_standing(session, payment_id)
    refund, refusal = None, None
    if standing is None:
        try:
            refund = quote_in_period(session, order, clock())
        except WithdrawalRefused as error:
            refusal = error.because
    shown = _build_order(order, find_period(session, order).last_day)
    language = session.scalar(sa.select(User.language).where(User.id == order.user_id))
    return OrderState(shown, refund, refusal, standing, language)


def read_declaration(session: Session, declaration_id: UUID) -> Declaration | None:
    """Return a declaration."""
    return session.get(Declaration, declaration_id)


def build_answer(row: Declaration) -> WithdrawalAnswer:
    """Return a withdrawal as its author sees it."""
    return WithdrawalAnswer(
        declaration_id=row.id,
        order_number=row.reference or "",
        declared_at=row.made_at,
        applied_at=row.applied_at,
        refund=row.refund_cents,
        currency="eur",
    )


def _build_order(order: Payment, last_day: date) -> OpenOrder:
    paid_at = order.paid_at or order.created_at
    return OpenOrder(order.id, order.order_number or str(order.id), order.plan, paid_at, last_day)
