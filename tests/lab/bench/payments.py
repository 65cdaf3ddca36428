"""Payments: how soon the webhook answers, how soon its buyer is notified of what is open, and what many events cost alerts.

The events are those that the stand-in of Stripe makes for real orders, signed by it; they are posted from here, as its
own sender has eight connections at most.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import new_id
from api.models.payment import Payment, StripeId
from api.models.user import User
from configs.ground.clock import clock
from configs.world.plan import PlanName, plan
from configs.world.sales_terms import find_newest_version
from deploy.local.processes import wait_until
from deploy.local.stack import Stack
from deploy.sandbox.addresses import STRIPE, url
from tests.lab.bench import latency
from tests.lab.bench.figures import Effort, Figure, Say, percentile, percentiles_ms
from tests.lab.bench.open_loop import LoadGenerator, Reply, build_request
from tests.lab.bench.people import Crowd
from tests.sandbox_controls import Delivery, StripeControl

_WEBHOOK = "/api/billing/webhook"
_ALERT = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}  # where slots open
_RATE, _BURST = 50, 500  # events in a second
_AT_ONCE = 8  # connections of Stripe's that send many events
_PATIENCE = 900.0  # seconds until all events are applied
_OK = 200
_PLAN = PlanName.URGENCE_7J
_NO_PLANS = 10**9  # one person in so many has a plan
_OPEN = sa.text("SELECT count(*) FROM stripe_events WHERE next_attempt_at IS NOT NULL AND flag IS NULL")
_APPLIED = sa.text("SELECT count(*) FROM stripe_events WHERE applied_at IS NOT NULL")
_WITH_ALARM = sa.text(
    "SELECT min(accepted_at) FROM notifications WHERE user_id = :user AND kind = 'slot_detected'"
)


@dataclass(frozen=True, slots=True)
class _Order:
    """An order that waits to be paid."""

    user_id: UUID
    payment_id: UUID
    session_id: str


@dataclass(frozen=True)
class _Shop:
    """A running stack and its stand-in of Stripe."""

    stack: Stack
    control: StripeControl
    engine: sa.Engine

    def post(self, deliveries: Sequence[Delivery], rate: float | None = None) -> list[Reply]:
        """Post events, so many a second or as fast as they are answered."""
        return asyncio.run(self._post([_build_post(each) for each in deliveries], rate))

    async def _post(self, requests: Sequence[bytes], rate: float | None) -> list[Reply]:
        load = LoadGenerator(self.stack.ports.api)
        if rate is None:
            replies = await load.run_closed(requests, _AT_ONCE)
        else:
            replies = await load.run_open(iter(requests), rate, len(requests) / rate)
        await load.close()
        if wrong := [each for each in replies if each.status != _OK]:
            raise RuntimeError(f"{len(wrong)} events were not taken: {wrong[0].status} {wrong[0].body!r}")
        return replies

    def read(self, query: sa.TextClause, **values: object) -> object:
        """Return what a query of one value says."""
        with self.engine.connect() as connection:
            return connection.scalar(query, values)

    def wait_applied(self) -> None:
        """Wait until no event waits."""
        log = self.stack.state / "logs" / "background.log"
        wait_until(lambda: not self.read(_OPEN), log, what="the events", seconds=_PATIENCE)


def run(effort: Effort, say: Say) -> list[Figure]:
    """Measure all of it on one stack."""
    os.environ["EMAIL_PER_HOUR"] = "36000"  # all alerts go to one contact
    with _run_shop(say) as shop:
        return [
            *_measure_webhook(shop, effort, say),
            *_measure_told(shop, effort, say),
            *_measure_many(shop, effort, say),
        ]


@contextmanager
def _run_shop(say: Say) -> Iterator[_Shop]:
    with latency.run_stack(say, latency.hasty) as stack:
        latency.seed_by_mail_only(stack)
        control = StripeControl(url(STRIPE, stack.ports.providers))
        control.webhook(url="")
        yield _Shop(stack, control, sa.create_engine(stack.environment["DATABASE_URL"]))


def _build_post(delivery: Delivery) -> bytes:
    signature = {"Stripe-Signature": delivery.headers["Stripe-Signature"]}
    return build_request(_WEBHOOK, address="127.0.0.1", body=delivery.body, headers=signature)


def _measure_webhook(shop: _Shop, effort: Effort, say: Say) -> list[Figure]:
    figures: list[Figure] = []
    shop.post(_collect(shop, "first-", 40))  # libraries that are loaded late, pools and caches
    shop.wait_applied()
    for name, rate, many in (
        (f"{_RATE} events/s", _RATE, effort.of(20 * _RATE, 2 * _RATE)),
        (f"a burst of {_BURST} events in a second", _BURST, effort.of(_BURST, _BURST // 5)),
    ):
        deliveries = _collect(shop, f"webhook{rate}-", many)
        seconds = [each.seconds for each in shop.post(deliveries, rate)]
        shop.wait_applied()
        say(f"{name}: {len(seconds)} answered, the last after {max(seconds):.3f} s")
        figures += percentiles_ms(f"webhook answered, {name}", seconds, {50: "", 99: "< 1000"})
    return figures


def _collect(shop: _Shop, prefix: str, many: int) -> list[Delivery]:
    """Return so many events of orders that were just paid; an order has five and more."""
    return _pay_orders(shop.control, _place_orders(shop.engine, prefix, many // 5 + 1))[:many]


def _measure_told(shop: _Shop, effort: Effort, say: Say) -> list[Figure]:
    """Pay orders one by one while a slot is open, from the first event's call to the alert's acceptance."""
    latency.measure(shop.stack, 1)
    latency.open_slot(shop.stack)
    orders = _place_orders(shop.engine, "told-", effort.of(100, 4), _ALERT)
    seconds = [_pay_until_told(shop, each) for each in orders]
    latency.take_all(shop.stack)
    _disable_alerts(shop, orders)
    say(f"{len(seconds)} told, the last after {max(seconds):.2f} s")
    return list(percentiles_ms("paid → told of what is open", seconds, {50: "", 95: "< 2000"}))


def _pay_until_told(shop: _Shop, order: _Order) -> float:
    deliveries = _pay_orders(shop.control, [order])
    began = clock()
    shop.post(deliveries)
    log = shop.stack.state / "logs" / "background.log"
    wait_until(
        lambda: shop.read(_WITH_ALARM, user=order.user_id) is not None, log, what="an alert", seconds=60
    )
    with shop.engine.connect() as connection:
        told = connection.execute(_WITH_ALARM, {"user": order.user_id}).scalar_one()
    return float((told - began).total_seconds())


def _disable_alerts(shop: _Shop, orders: Sequence[_Order]) -> None:
    """Leave Camille alone at the desk again: beside many events one person's alert is measured, not a crowd's."""
    waiting = sa.update(Alert).where(Alert.user_id.in_([each.user_id for each in orders]))
    with shop.engine.begin() as connection:
        connection.execute(waiting.values(enabled=False))


def _measure_many(shop: _Shop, effort: Effort, say: Say) -> list[Figure]:
    """Measure alerts in turns: alone, and while the events of many orders are taken and applied."""
    alone, beside, events, seconds = list[float](), list[float](), 0.0, 0.0
    for turn in range(effort.of(3, 1)):
        orders = _place_orders(shop.engine, f"many{turn}-", effort.of(250, 20))
        deliveries = _pay_orders(shop.control, orders)
        alone += _read_delays(shop, effort.of(20, 2), lambda: True)
        found, applied, took = _apply_beside(shop, deliveries)
        beside, events, seconds = [*beside, *found], events + applied, seconds + took
        say(f"{applied:.0f} events applied in {took:.1f} s, {len(found)} alerts meanwhile")
    ratio = "page read → accepted beside them ÷ alone"
    return [
        Figure("events applied beside alerts", events),
        Figure("events applied/s", events / seconds),
        Figure("page read → accepted, alone, p50 ms", percentile(alone, 50)),
        Figure("page read → accepted, beside them, p50 ms", percentile(beside, 50)),
        Figure("page read → accepted, beside them, p95 ms", percentile(beside, 95)),
        Figure(f"{ratio}, p50", percentile(beside, 50) / percentile(alone, 50), "≤ 1.1"),
        Figure(f"{ratio}, p95", percentile(beside, 95) / percentile(alone, 95)),
    ]


def _apply_beside(shop: _Shop, deliveries: Sequence[Delivery]) -> tuple[list[float], float, float]:
    """Post events and let slots open until all are applied; return the delays, the events and the seconds."""
    before, began = float(str(shop.read(_APPLIED))), time.monotonic()
    with ThreadPoolExecutor(1) as hands:
        posting = hands.submit(shop.post, deliveries)
        delays = _read_delays(shop, 10_000, lambda: not posting.done() or bool(shop.read(_OPEN)))
        posting.result()
    shop.wait_applied()
    return delays, float(str(shop.read(_APPLIED))) - before, time.monotonic() - began


def _read_delays(shop: _Shop, slots: int, goes_on: Callable[[], bool]) -> list[float]:
    return [each["accepted"] for each in latency.measure(shop.stack, slots, goes_on)]


def _place_orders(
    engine: sa.Engine, prefix: str, many: int, alert: Mapping[str, Any] | None = None
) -> list[_Order]:
    """Have so many new users order a plan, and an alert with it."""
    from api.payments.exchange import checkout_calls

    Crowd(prefix, many, "NULL, NULL, NULL", each=0, per_paying=_NO_PLANS).write(engine)
    placed = []
    with Session(engine) as session, session.begin():
        found = sa.select(User).where(User.email.startswith(prefix, autoescape=True)).order_by(User.id)
        for user in session.scalars(found).all():
            payment = _build_payment(user.id, alert)
            session.add(payment)
            made = checkout_calls.create_session(payment, user, credit_cents=0)
            session.add(StripeId(id=made.id, kind="checkout.session", payment_id=payment.id))
            placed.append(_Order(user.id, payment.id, made.id))
    return placed


def _build_payment(user_id: UUID, alert: Mapping[str, Any] | None) -> Payment:
    consent = {"startNow": True, "acknowledgesLoss": True, "acceptsHourThreshold": True}
    version, now = find_newest_version(), clock()
    return Payment(
        id=new_id(),
        user_id=user_id,
        plan=_PLAN,
        amount_cents=plan(_PLAN).price_cents,
        created_at=now,
        terms_version=version,
        consent={"termsVersion": version, **consent},
        consented_at=now,
        alert_wish=dict(alert) if alert else None,
    )


def _pay_orders(control: StripeControl, orders: Sequence[_Order]) -> list[Delivery]:
    """Pay orders on their pages; return the events that Stripe would send, signed."""
    for each in orders:
        if error := control.pay(each.session_id)["error"]:
            raise RuntimeError(f"the stand-in refuses a payment: {error}")
    return control.take_deliveries()
