"""Rows for tests, where no route, webhook or job writes them: what the crawler saw, what Stripe holds."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from api.models.base import session
from configs.clock import clock
from configs.outcome import Outcome
from deploy.sandbox.stripe.account import Account
from deploy.sandbox.stripe.objects import blank, new_id
from deploy.sandbox.stripe.resources.money_back import build_dispute
from deploy.sandbox.stripe.resources.payments import add_payment_intent

Json = dict[str, Any]
# One statement: a month of them by the ORM takes ten seconds.
_CHECKS = sa.text("""
INSERT INTO checks (started_at, desk_id, outcome, evidence, milliseconds, requests, slots_seen, covered, process)
SELECT CAST(:since AS timestamptz) + each * interval '1 minute', :desk, :outcome, 'x', 1, 1, 0, '[]', 'test'
FROM unnest(:minutes) each
""")


def add_checks(
    desk_id: str, since: datetime, minutes: Iterable[float], outcome: Outcome = Outcome.NO_SLOTS
) -> None:
    """Write a desk's checks, so many minutes after `since`."""
    with session() as s:
        s.execute(_CHECKS, {"since": since, "desk": desk_id, "outcome": outcome, "minutes": list(minutes)})


def make_room_for_checks(days: int = 95) -> None:
    """Let the checks of so many days from now on be written: into one partition, as one for each takes seconds."""
    known = sa.text(
        "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'checks'::regclass"
    )
    with session() as s:
        begins = date.fromisoformat(s.scalars(known).one().removeprefix("checks_")) + timedelta(days=1)
        ends = max(begins, clock().date()) + timedelta(days=days)
        bounds = f"FOR VALUES FROM ('{begins}') TO ('{ends}')"
        s.execute(sa.text(f"CREATE TABLE checks_of_months PARTITION OF checks {bounds}"))


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
