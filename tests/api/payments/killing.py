"""A program that dies at a chosen step: at a commit, at a call of Stripe's API, at a nudge; and what goes on after it.

`Killed` is no `Exception`, so that nothing in the product handles it: like `kill -9`, it leaves a transaction without
its commit, and a call of Stripe's without anybody who reads its answer."""

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
from api.ground.background_nudges import ask_job
from api.models.base import session
from api.models.stripe_event import StripeCommand, StripeEvent
from api.payments.exchange import events
from api.payments.exchange import jobs as payment_jobs
from configs.ground.clock import clock
from tests.api.payments.shop import take_nudges
from tests.api.payments.till import Till

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

    @contextmanager
    def installed(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Make steps of each commit, call of Stripe's API, nudge, and hand-over to the notifier within the block."""
        http = stripe.RequestsClient
        patch.setattr(
            http, "request", self._surround(http.request, lambda args: f"{args[1]} {urlsplit(args[2]).path}")
        )
        patch.setattr(events, "ask_job", self._surround(ask_job, lambda _: "nudge"))
        for name in ("ask_deliver", "deliver_here", "ask_catch_up"):
            patch.setattr(notifier, name, self._surround(getattr(notifier, name), partial(_say, name)))
        commits = {when: partial(self._reach_commit, when) for when in ("before", "after")}
        for when, reach in commits.items():
            sa.event.listen(Session, f"{when}_commit", reach)
        try:
            yield
        finally:
            for when, reach in commits.items():
                sa.event.remove(Session, f"{when}_commit", reach)

    def _reach_commit(self, when: str, _session: Session) -> None:
        self.reach(f"{when} a commit")

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


# What a story leaves: neither ids nor instants. A grant is measured in hours: seconds pass until the sweep looks.
_STATE = {
    "payments": """SELECT plan, amount_cents, refunded_cents, status, alert_id IS NOT NULL,
        ARRAY(SELECT kind FROM payment_events WHERE payment_id = p.id ORDER BY 1) FROM payments p""",
    "grants": """SELECT plan, source, round(extract(epoch FROM ends_at - starts_at) / 3600), ends_at <= :now
        FROM grants""",
    "refunds": "SELECT amount_cents, reason, status FROM refunds",
    "subscriptions": "SELECT status, cancel_wanted_at IS NOT NULL FROM subscriptions",
    "outages": "SELECT form, amount_cents FROM watch_credits",
    "upgrades": "SELECT amount_cents, seconds FROM plan_credits",
    "alerts": "SELECT enabled, closed_at IS NOT NULL FROM alerts",
    "events": "SELECT type, applied_at IS NOT NULL, flag FROM stripe_events",
    "messages": "SELECT kind FROM notifications",
}
_AT_STRIPE = {
    "checkout.session": ("mode", "status"), "refund": ("amount",), "subscription": ("status", "cancel_at"),
    "invoiceitem": ("amount",), "coupon": (), "customer": (),
}  # fmt: skip


def read_end_state(till: Till) -> dict[str, list[str]]:
    """Return both sides as plain, sorted values."""
    with session() as s:
        now = {"now": clock()}
        found: dict[str, list[Any]] = {
            name: [*s.execute(sa.text(each), now)] for name, each in _STATE.items()
        }
    control = till.shop.control
    found["money"] = [(each["captured"], each["refunded"], each["net"]) for each in control.ledger()]
    for kind, names in _AT_STRIPE.items():
        objects = control.objects(kind)
        found[kind] = [
            [each[name] and (name == "cancel_at" or each[name]) for name in names] for each in objects
        ]
    return {name: sorted(map(str, each)) for name, each in found.items()}
