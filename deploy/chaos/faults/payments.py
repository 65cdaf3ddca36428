"""Faults of payments: Stripe is away, slow or breaks off, its events come twice, and what applies them dies.

No alert may be delayed by it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from threading import Thread
from typing import Any

import sqlalchemy as sa

from api.models.notification import Notification, State
from api.models.payment import Payment
from api.models.user import Channel
from deploy.chaos.faults import Field, fault
from deploy.chaos.journal import Spell
from deploy.chaos.processes import until
from deploy.chaos.sandbox_control import NORMAL

_STRIPE = "payment"  # the channel under which the stand-in is controlled
_WHILE = 6.0  # seconds
_AWAY = (10.0, 20.0)  # seconds: five minutes and more in life
_LATER = 2.0  # seconds that a call takes while we prepare the moment
_PATIENCE = 120.0  # seconds; a busy machine applies payments late
_WORKER = "payments-worker"
_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)


@fault("stripe", harmless=True, weight=2)
def stripe_is_away(field: Field, _spell: Spell) -> None:
    """Stripe refuses connections, never answers, or answers 500 (also to the same key again)."""
    ways: list[tuple[str, dict[str, Any]]] = [("refuse", {}), ("timeout", {}), ("error_500", {"saved": 1})]
    mode, parameters = field.rng.choice(ways)
    with field.outside.provider_in(_STRIPE, mode, **parameters):
        time.sleep(field.rng.uniform(*_AWAY))


@fault("stripe", harmless=True)
def stripe_is_slow(field: Field, _spell: Spell) -> None:
    """Every answer takes two of the three seconds that we wait; or Stripe takes no more calls."""
    mode = field.rng.choice(["slow", "rate_limited"])
    with field.outside.provider_in(_STRIPE, mode):
        time.sleep(_WHILE)


@fault("stripe", harmless=True, weight=2)
def stripe_acts_and_breaks_off(field: Field, _spell: Spell) -> None:
    """Stripe does what it is asked for, and we never learn of it."""
    mode = field.rng.choice(["reset_after", "half_answer", "yes_without_answer"])
    with field.outside.provider_in(_STRIPE, mode):
        time.sleep(_WHILE)


@fault("stripe-events", harmless=True)
def stripe_events_are_troubled(field: Field, _spell: Spell) -> None:
    """Events come twice, late, or in another order."""
    field.shop.control.webhook(mode=field.rng.choice(["repeat", "delay", "reorder"]))
    try:
        time.sleep(_WHILE)
    finally:
        _insist(lambda: field.shop.control.webhook(mode=NORMAL))


@fault("background", harmless=True, weight=3)
def kill_payments_worker(field: Field, _spell: Spell) -> None:
    """The worker of payments dies, in whatever it does."""
    for _ in range(field.rng.randint(1, 3)):
        field.victims.kill(_WORKER, field.rng)
        time.sleep(field.rng.uniform(0, 0.8))


@fault(alone=True, harmless=True)
def kill_payments_worker_in_a_call(field: Field, _spell: Spell) -> None:
    """The worker of payments dies while it reads a session at Stripe."""
    purchase = field.shop.order(field.rng)
    with _slow_call(field, "GET /v1/"):
        field.shop.pay(purchase)
        until(lambda: field.outside.provider_mode_now(_STRIPE) == NORMAL, "a call is on its way", _PATIENCE)
        field.victims.kill_all(_WORKER)


@fault(alone=True, harmless=True)
def kill_payments_worker_before_its_commit(field: Field, _spell: Spell) -> None:
    """The worker of payments dies when it has read a session and not yet applied it: the row is locked until then."""
    purchase = field.shop.order(field.rng)
    with field.engine.connect() as connection:
        connection.execute(sa.select(Payment.id).where(Payment.id == purchase.payment_id).with_for_update())
        field.shop.pay(purchase)
        until(lambda: connection.scalar(_BLOCKED), "a payment is about to be applied", _PATIENCE)
        field.victims.kill_all(_WORKER)
        connection.rollback()


@fault(alone=True, harmless=True)
def kill_payments_worker_in_an_order_mail(field: Field, _spell: Spell) -> None:
    """The worker of payments dies after its commit: an order mail is on its way, and nothing else has begun."""
    purchase = field.shop.order(field.rng)
    sending = sa.select(sa.func.count()).where(
        Notification.dedupe_key.contains(str(purchase.payment_id)), Notification.state == State.SENDING
    )
    with field.outside.provider_in(Channel.EMAIL.value, "slow", seconds=_LATER):
        field.shop.pay(purchase)
        with field.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            until(lambda: connection.scalar(sending), "an order mail is on its way", _PATIENCE)
        field.victims.kill_all(_WORKER)


@fault(alone=True)
def kill_api_in_a_checkout(field: Field, _spell: Spell) -> None:
    """The API dies when our row is written and Stripe makes the page."""
    with _slow_call(field, "POST /v1/checkout/sessions"):
        buyer = Thread(target=_order_in_vain, args=(field,))
        buyer.start()
        until(lambda: field.outside.provider_mode_now(_STRIPE) == NORMAL, "an order is on its way", _PATIENCE)
        field.victims.kill_all("gunicorn worker")
    buyer.join()


def _order_in_vain(field: Field) -> None:
    with suppress(OSError, HTTPException):
        field.shop.order(field.rng)


@contextmanager
def _slow_call(field: Field, path: str) -> Iterator[None]:
    """Let one call whose path begins so take long."""
    with field.outside.provider_in(_STRIPE, "slow", seconds=_LATER, count=1, path=path):
        yield


def _insist(act: Callable[[], object]) -> None:
    """Repeat an act while the stand-in refuses connections, as another fault wants it."""

    def done() -> bool:
        try:
            act()
        except OSError:
            return False
        return True

    until(done, "Stripe's stand-in answers")
