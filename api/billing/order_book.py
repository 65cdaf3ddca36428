"""The book of one payment, as its owner and operators see it: sums, and each movement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import is_any_of
from api.models.book import Account, BookKind, BookTransaction
from api.models.payment import Refund, RefundReason, StripeId
from api.payments.book import Balances, list_transactions, read_balances

_GIVES_BACK = (BookKind.REFUNDED, BookKind.RETURNED)


@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction, as far as it is about the payment."""

    kind: BookKind
    at: datetime
    cents: int
    net: int  # above 0: so many cents went to another payment; below 0: they came from one
    ending: str  # of its cause, which tells two movements of a kind apart
    reason: RefundReason | None  # of the refund that it is about


@dataclass(frozen=True, slots=True)
class OrderBook:
    """The book of one payment, in cents: all that came in was used, is left, passed on, given back, or is owed."""

    balances: Balances
    paid: int
    lowered: int  # what took off the price: a cheaper plan's rest, time without watching
    passed_on: int  # to other payments
    given_back: int
    movements: list[Movement]  # the oldest first


def read_order_book(session: Session, payment_id: UUID) -> OrderBook:
    """Return the book of a payment. Whether it may be shown is for the caller to decide."""
    found, balances = list_transactions(session, payment_id), read_balances(session, payment_id)
    reasons = _read_reasons(session, found)
    movements = [_build_movement(each, payment_id, reasons) for each in found]
    lines = [(each.kind, line) for each in found for line in each.lines if line.payment_id == payment_id]
    cash = [(kind, line.cents) for kind, line in lines if line.account is Account.CASH]
    paid = sum(cents for kind, cents in cash if kind is BookKind.PAID)
    lowered = balances.worth - paid
    return OrderBook(
        balances=balances,
        paid=paid,
        lowered=lowered,
        passed_on=sum(each.net for each in movements) + lowered,
        given_back=-sum(cents for kind, cents in cash if kind in _GIVES_BACK),
        movements=movements,
    )


def _build_movement(found: BookTransaction, payment_id: UUID, reasons: dict[str, RefundReason]) -> Movement:
    mine = [line.cents for line in found.lines if line.payment_id == payment_id]
    net, moved = sum(mine), sum(cents for cents in mine if cents > 0)
    parts = found.cause.split(":")
    reason = next((reasons[each] for each in parts if each in reasons), None)
    return Movement(found.kind, found.at, abs(net) or moved, net, parts[-1], reason)


def _read_reasons(session: Session, found: Sequence[BookTransaction]) -> dict[str, RefundReason]:
    """Return why the refunds of these transactions' payments were made, by our id and by Stripe's."""
    payments = {line.payment_id for each in found for line in each.lines}
    refunds = (
        sa.select(Refund.id, StripeId.id, Refund.reason)
        .outerjoin(StripeId, StripeId.refund_id == Refund.id)
        .where(is_any_of(Refund.payment_id, payments))
    )
    return {str(name): reason for *names, reason in session.execute(refunds) for name in names if name}
