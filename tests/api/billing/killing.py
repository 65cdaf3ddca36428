"""A program that dies at a chosen step: at a commit, at a call of Stripe's API, at a nudge; and what goes on after it.

`Killed` is no `Exception`, so that nothing in the product handles it: like `kill -9`, it leaves a transaction without
its commit, and a call of Stripe's without anybody who reads its answer."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
import stripe
from sqlalchemy.orm import Session

import notifier
from api.models.alert import Alert
from api.models.base import session
from api.models.payment import Payment, PaymentEvent, PlanCredit, Refund, Subscription, WatchCredit
from api.models.stripe_event import StripeCommand, StripeEvent
from api.models.user import Grant
from api.payments.exchange import events
from api.payments.exchange import jobs as payment_jobs
from configs.ground.background_nudges import nudge
from configs.ground.clock import clock
from tests.api.billing.till import Till
from tests.api.payments.shop import list_messages, take_nudges
from tests.factories import rows

Result = TypeVar("Result")
_WAITING = (StripeEvent, StripeCommand)  # tables with rows that wait for Stripe
_ROUNDS = 60


class Killed(BaseException):
    """The process died."""


@dataclass
class Killer:
    """Counts the steps of a program while it watches, and kills it at the one with the number `fatal`."""

    fatal: int | None = None
    watches: bool = False
    steps: list[str] = field(default_factory=list)

    def reach(self, name: str) -> None:
        """Note a step; die if it is the fatal one. Nothing dies twice."""
        if not self.watches:
            return
        self.steps.append(name)
        if len(self.steps) - 1 == self.fatal:
            self.watches = False
            raise Killed(name)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Watch until the end of the block."""
        self.watches = True
        try:
            yield
        finally:
            self.watches = False

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Make steps of every commit, call of Stripe's API, nudge, and hand-over to the notifier."""
        http = stripe.RequestsClient
        patch.setattr(
            http, "request", self._surround(http.request, lambda args: f"{args[1]} {urlsplit(args[2]).path}")
        )
        patch.setattr(events, "nudge", self._surround(nudge, lambda _: "nudge"))
        for name in ("nudge", "deliver_here", "catch_up"):
            patch.setattr(notifier, name, self._surround(getattr(notifier, name), partial(_say, name)))

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Make steps of the time before and after each commit."""
        listeners = [
            ("before_commit", lambda _: self.reach("before a commit")),
            ("after_commit", lambda _: self.reach("after a commit")),
        ]
        for name, reach in listeners:
            sa.event.listen(Session, name, reach)
        try:
            yield
        finally:
            for name, reach in listeners:
                sa.event.remove(Session, name, reach)

    def _surround(
        self, act: Callable[..., Result], describe: Callable[[tuple[Any, ...]], str]
    ) -> Callable[..., Result]:
        def run(*args: Any, **named: Any) -> Result:
            self.reach(f"before {describe(args)}")
            result = act(*args, **named)
            self.reach(f"after {describe(args)}")
            return result

        return run


@dataclass
class Life:
    """What goes on around the programs whatever dies: users and Stripe repeat, the sweep and scheduled jobs go on."""

    till: Till
    killer: Killer

    def ask(self, act: Callable[[], Result]) -> Result:
        """Do what a person or a schedule begins; where it dies, they begin it again."""
        with self.killer.watch():
            try:
                return act()
            except Killed:
                return act()

    def deliver(self) -> None:
        """Post what Stripe sends, again where there was no answer; do the queued jobs, none of them again."""
        for each in self.till.shop.control.take_deliveries():
            assert self.ask(partial(self.till.shop.post, each.body, each.headers)) == 200
        self.work()

    def work(self) -> None:
        """Do the queued jobs. One that dies takes its message with it."""
        for name, argument in take_nudges():
            self._do(partial(getattr(payment_jobs, name), argument))

    def _do(self, job: Callable[[], None]) -> None:
        with self.killer.watch(), suppress(Killed):
            job()

    def settle(self) -> None:
        """Let the sweep and the scheduled jobs go on until nothing waits for Stripe."""
        for _ in range(_ROUNDS):
            self.deliver()
            due = find_next_attempt()
            if due is None:
                return
            self.till.shop.clock.move_to(max(due, clock()) + timedelta(seconds=1))
            self._do(payment_jobs.work_off)
        raise AssertionError(f"something still waits: {find_next_attempt()}")


def _say(name: str, _arguments: tuple[Any, ...]) -> str:
    return name


def find_next_attempt() -> datetime | None:
    """Return the earliest instant at which Stripe is to be asked for something."""
    with session() as s:
        found = [s.scalar(sa.select(sa.func.min(table.next_attempt_at))) for table in _WAITING]
    return min((each for each in found if each), default=None)


_HOUR = 3600


def read_end_state(till: Till) -> dict[str, Any]:
    """Return both sides as plain, sorted values."""
    now = clock()
    return {
        "payments": sorted(_describe_payment(each) for each in rows(Payment)),
        "grants": sorted(_describe_grant(each, now) for each in rows(Grant)),
        "refunds": sorted((each.amount_cents, each.reason, each.status) for each in rows(Refund)),
        "subscriptions": sorted((each.status, bool(each.cancel_wanted_at)) for each in rows(Subscription)),
        "outages": sorted((each.form, each.amount_cents) for each in rows(WatchCredit)),
        "upgrades": sorted((each.amount_cents, each.seconds) for each in rows(PlanCredit)),
        "alerts": sorted((each.enabled, bool(each.closed_at)) for each in rows(Alert)),
        "events": Counter((each.type, bool(each.applied_at), each.flag) for each in rows(StripeEvent)),
        "messages": sorted(list_messages()),
        "stripe": _describe_stripe(till),
    }


def _describe_payment(payment: Payment) -> tuple[Any, ...]:
    with session() as s:
        kinds = s.scalars(sa.select(PaymentEvent.kind).where(PaymentEvent.payment_id == payment.id)).all()
    happened = tuple(sorted(kinds))
    alert = bool(payment.alert_id)
    return payment.plan, payment.amount_cents, payment.refunded_cents, payment.status, happened, alert


def _describe_grant(grant: Grant, now: datetime) -> tuple[Any, ...]:
    """Say how long a grant is in whole hours: some seconds pass until the sweep looks."""
    hours = round((grant.ends_at - grant.starts_at).total_seconds() / _HOUR)
    return grant.plan, grant.source, hours, grant.ends_at <= now


def _describe_stripe(till: Till) -> dict[str, Any]:
    control = till.shop.control
    return {
        "money": sorted((each["captured"], each["refunded"], each["net"]) for each in control.ledger()),
        "sessions": sorted((each["mode"], each["status"]) for each in control.objects("checkout.session")),
        "refunds": sorted(each["amount"] for each in control.objects("refund")),
        "subscriptions": sorted(
            (each["status"], bool(each["cancel_at"])) for each in control.objects("subscription")
        ),
        "items": sorted(each["amount"] for each in control.objects("invoiceitem")),
        "coupons": len(control.objects("coupon")),
        "customers": len(control.objects("customer")),
    }
