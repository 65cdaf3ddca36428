"""Stripe's own ledger: a balance transaction for each movement of money, in cents, with its fee.

A charge adds its amount, a refund and a dispute take theirs; what comes back is another transaction.
https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json

_CATEGORIES: Final = {"adjustment": "dispute"}  # where it is not the type


def book_movement(account: Account, source: Json, cents: int, kind: str, *, fee: int = 0) -> Json:
    """Keep what an object moved: so many cents, negative where they left."""
    about = {"amount": cents, "net": cents - fee, "fee": fee, "currency": source["currency"]}
    about |= {"type": kind, "reporting_category": _CATEGORIES.get(kind, kind), "source": source["id"]}
    return account.new("balance_transaction", available_on=account.clock.now(), _of=source["object"], **about)
