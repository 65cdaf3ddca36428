"""Stripe's own ledger (balance transactions), by payment: what of its money is at Stripe, in cents.

A charge adds its amount, refunds and disputes take theirs, and what comes back is added again. Fees, payouts and what
names no payment of ours are left out. A refund that is pending has left the book only once it succeeded: until then
its transaction does not count. https://docs.stripe.com/api/balance_transactions
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.models.base import read_once
from api.models.base import session as open_session
from api.models.book import Account, BookLine, BookTransaction
from api.payments.gateway.client import call
from api.payments.gateway.facts import Facts, read_list
from api.payments.ledger.stripe_ids import INTENT, find_payment_id, list_intents

_PAGE = 100
_PENDING = ("pending", "requires_action")  # of a refund


class _Mover(Facts):
    """A charge, a refund or a dispute; in a list of its kind its transactions are expanded."""

    id: str
    object: str
    payment_intent: str | None = None
    status: str | None = None
    balance_transaction: "_Movement | str | None" = None
    failure_balance_transaction: "_Movement | str | None" = None
    balance_transactions: list["_Movement"] = Field(default=[])


class _Movement(Facts):
    """A balance transaction; `source` is expanded, and null for most fees."""

    amount: int
    source: _Mover | str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it is that of a refund which is pending."""
        by = self.source
        return isinstance(by, _Mover) and by.object == "refund" and by.status in _PENDING


@dataclass(frozen=True, slots=True)
class Holding:
    """What Stripe holds of one payment. `objects`: what moved it, by the names of objects.py, once they are read."""

    payment_id: UUID
    id: str  # its PaymentIntent; the payment's own id where Stripe took nothing
    cents: int
    objects: list[tuple[str, str]] = field(default_factory=list)


def list_holdings(since: datetime) -> list[Holding]:
    """Return what Stripe holds of each payment whose money moved since then, here or there.

    Raises:
        StripeForbidden: our key may not read the ledger.
        StripeAway: no answer.
    """
    wanted: Any = {"created": {"gte": int(since.timestamp())}, "limit": _PAGE, "expand": ["data.source"]}
    moved: list[_Movement] = call(lambda c: read_list(c.v1.balance_transactions.list(wanted), _Movement))
    by_intent: dict[str, list[_Movement]] = defaultdict(list)
    for each in moved:
        if isinstance(each.source, _Mover) and each.source.payment_intent:
            by_intent[each.source.payment_intent].append(each)
    with open_session() as s:
        owners = {each: known for each in by_intent if (known := find_payment_id(s, each))}
    whole = {
        owners[intent]: Holding(owners[intent], intent, sum(m.amount for m in found if not m.is_pending))
        for intent, found in by_intent.items()
        if intent in owners
        and any(isinstance(m.source, _Mover) and m.source.object == "charge" for m in found)
    }
    others = {*owners.values(), *read_once(_list_moved_here, since)} - whole.keys()
    return [*whole.values(), *map(read_holding, sorted(others))]


def read_holding(payment_id: UUID) -> Holding:
    """Read all that moved a payment's money at Stripe.

    Raises:
        StripeForbidden, StripeAway: as `list_holdings`.
    """
    intents = read_once(list_intents, payment_id)
    movers = [each for intent in intents for each in _list_movers(intent)]
    moved = [
        _Movement(amount=booked.amount, source=each)
        for each in movers
        for booked in (each.balance_transaction, each.failure_balance_transaction, *each.balance_transactions)
        if isinstance(booked, _Movement)
    ]
    objects = [(INTENT, each) for each in intents]
    objects += [(each.object, each.id) for each in movers if each.object != "charge"]
    cents = sum(each.amount for each in moved if not each.is_pending)
    return Holding(payment_id, intents[-1] if intents else str(payment_id), cents, objects)


def _list_movers(intent: str) -> list[_Mover]:
    page: Any = {"payment_intent": intent, "limit": _PAGE}
    booked = page | {"expand": ["data.balance_transaction"]}
    both = page | {"expand": ["data.balance_transaction", "data.failure_balance_transaction"]}
    charges: list[_Mover] = call(lambda c: read_list(c.v1.charges.list(booked), _Mover))
    refunds: list[_Mover] = call(lambda c: read_list(c.v1.refunds.list(both), _Mover))
    disputes: list[_Mover] = call(lambda c: read_list(c.v1.disputes.list(page), _Mover))
    return charges + refunds + disputes


def _list_moved_here(session: Session, since: datetime) -> list[UUID]:
    moved = sa.select(BookLine.payment_id).join(
        BookTransaction, BookTransaction.id == BookLine.transaction_id
    )
    mine = moved.where(BookLine.account == Account.CASH, BookTransaction.at >= since)
    return list(session.scalars(mine.distinct()))
