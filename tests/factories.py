"""Rows for tests, where no route, webhook or job writes them: what the crawler saw, what Stripe holds."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from api.models.base import session
from api.models.check import Check
from configs.outcome import Outcome
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.objects import new_id
from deploy.sandbox.stripe.resources.disputes import build_dispute
from deploy.sandbox.stripe.resources.payment_intents import add_payment_intent
from deploy.sandbox.stripe.shapes import blank

Json = dict[str, Any]


def add_checks(
    desk_id: str, since: datetime, minutes: Iterable[float], outcome: Outcome = Outcome.NO_SLOTS
) -> None:
    """Write a desk's checks, so many minutes after `since`."""
    with session() as s:
        s.add_all(
            Check(
                started_at=since + timedelta(minutes=each), desk_id=desk_id, outcome=outcome, evidence="x",
                milliseconds=1, requests=1, slots_seen=0, covered=[], process="test",
            )
            for each in minutes
        )  # fmt: skip


def add_dispute(account: Account, status: str) -> Json:
    """Open a dispute of the one paid charge at Stripe, by this word of Stripe's for its status."""
    (charge,) = account.where("charge", status="succeeded")
    made = account.add(build_dispute(account, charge, charge["amount"], "general") | {"status": status})
    account.emit("charge.dispute.created", made)
    return made


def add_foreign_intent(account: Account, **columns: Any) -> Json:
    """Have another product of the same Stripe account ask for ten dollars."""
    return add_payment_intent(account, 1000, "usd", **columns)


def add_foreign_session(account: Account) -> Json:
    """Have another product of the same Stripe account sell by Checkout, with `metadata: null`."""
    moment, intent = account.clock.now(), add_foreign_intent(account)
    return account.add(
        blank(
            "checkout.session", id=new_id("cs_test"), created=moment, currency="usd", amount_total=1000,
            mode="payment", payment_intent=intent["id"], status="complete", payment_status="paid",
            metadata=None, expires_at=moment + 3600, _items=[], _intent=intent["id"],
        )
    )  # fmt: skip
