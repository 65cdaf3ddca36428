"""Payments: how soon the webhook answers, how soon a payment is told of what is open, and what many events cost alerts.

The events are those that the stand-in of Stripe makes for real orders, signed by it; they are posted from here, as its
own sender has eight connections at most.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import sqlalchemy as sa

from api.models.alert import Alert
from configs.clock import clock
from deploy.bench import latency
from deploy.bench.figures import Effort, Figure, Say, at_most, below, forget, percentile
from deploy.bench.open_loop import LoadGenerator, Reply, build_request
from deploy.bench.orders import BenchOrder, pay_orders, place_orders
from deploy.bench.servers import cpu
from deploy.local.ports import StackPorts
from deploy.local.processes import free_port, wait_until
from deploy.local.seed import seed
from deploy.local.stack import Stack, running, wait_ready
from deploy.sample_desk_files import only
from deploy.sandbox.addresses import STRIPE, url
from deploy.sandbox.stripe.control_client import Delivery, StripeControl

_WEBHOOK = "/api/billing/webhook"
_ALERT = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}  # where slots open
_RATE, _BURST = 50, 500  # events in a second
_AT_ONCE = 8  # connections of Stripe's that send many events
_PATIENCE = 900.0  # seconds until all events are applied
_OK = 200
_PROGRAMS = ("api.app", "api.background", "postgres", "valkey")
_OPEN = sa.text("SELECT count(*) FROM stripe_events WHERE next_attempt_at IS NOT NULL AND flag IS NULL")
_APPLIED = sa.text("SELECT count(*) FROM stripe_events WHERE applied_at IS NOT NULL")
_TOLD = sa.text("SELECT min(accepted_at) FROM notifications WHERE user_id = :user AND kind = 'slot_detected'")


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
            replies = await load.run_all(requests, _AT_ONCE)
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
    os.environ |= dict.fromkeys(("EMAIL_PER_HOUR", "USER_PER_HOUR"), "36000")  # all alerts go to one contact
    with _run_shop(say) as shop:
        return [
            *_measure_webhook(shop, effort, say),
            *_measure_told(shop, effort, say),
            *_measure_many(shop, effort, say),
        ]


@contextmanager
def _run_shop(say: Say) -> Iterator[_Shop]:
    with TemporaryDirectory(prefix="rdv-bench-") as folder:
        usual = StackPorts(*(free_port() for _ in range(5)))
        with running(Path(folder), usual, say, edit=_edit) as stack:
            os.environ.update(stack.environment)
            forget()
            wait_ready(stack, 180)
            seed(stack)
            latency.by_mail_only(stack)
            control = StripeControl(url(STRIPE, stack.ports.providers))
            control.webhook(url="")
            yield _Shop(stack, control, sa.create_engine(stack.environment["DATABASE_URL"]))


def _edit(text: str) -> str:
    return only("ezbooking", latency.hasty(text))


def _build_post(delivery: Delivery) -> bytes:
    signature = {"Stripe-Signature": delivery.headers["Stripe-Signature"]}
    return build_request(_WEBHOOK, address="127.0.0.1", body=delivery.body, headers=signature)


def _measure_webhook(shop: _Shop, effort: Effort, say: Say) -> list[Figure]:
    figures = []
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
        figures += [
            Figure(f"webhook answered, {name}, p50 ms", percentile(seconds, 50) * 1000),
            Figure(f"webhook answered, {name}, p99 ms", percentile(seconds, 99) * 1000, below(1000)),
        ]
    return figures


def _collect(shop: _Shop, prefix: str, many: int) -> list[Delivery]:
    """Return so many events of orders that were just paid; an order has five and more."""
    return pay_orders(shop.control, place_orders(shop.engine, prefix, many // 5 + 1))[:many]


def _measure_told(shop: _Shop, effort: Effort, say: Say) -> list[Figure]:
    """Pay orders one by one while a slot is open, from the first event's call to the alert's acceptance."""
    latency.measure(shop.stack, 1)
    latency.open_slot(shop.stack)
    orders = place_orders(shop.engine, "told-", effort.of(100, 4), _ALERT)
    seconds = [_pay_until_told(shop, each) for each in orders]
    latency.take_all(shop.stack)
    _disable_alerts(shop, orders)
    say(f"{len(seconds)} told, the last after {max(seconds):.2f} s")
    return [
        Figure("paid → told of what is open, p50 ms", percentile(seconds, 50) * 1000),
        Figure("paid → told of what is open, p95 ms", percentile(seconds, 95) * 1000, below(2000)),
    ]


def _pay_until_told(shop: _Shop, order: BenchOrder) -> float:
    deliveries = pay_orders(shop.control, [order])
    began = clock()
    shop.post(deliveries)
    log = shop.stack.state / "logs" / "background.log"
    wait_until(lambda: shop.read(_TOLD, user=order.user_id) is not None, log, what="an alert", seconds=60)
    with shop.engine.connect() as connection:
        told = connection.execute(_TOLD, {"user": order.user_id}).scalar_one()
    return float((told - began).total_seconds())


def _disable_alerts(shop: _Shop, orders: Sequence[BenchOrder]) -> None:
    """Leave Camille alone at the desk again: beside many events one person's alert is measured, not a crowd's."""
    waiting = sa.update(Alert).where(Alert.user_id.in_([each.user_id for each in orders]))
    with shop.engine.begin() as connection:
        connection.execute(waiting.values(enabled=False))


def _measure_many(shop: _Shop, effort: Effort, say: Say) -> list[Figure]:
    """Measure alerts in turns: alone, and while the events of many orders are taken and applied."""
    alone, beside, rounds = list[float](), list[float](), list[tuple[float, float, float]]()
    for turn in range(effort.of(3, 1)):
        orders = place_orders(shop.engine, f"many{turn}-", effort.of(1_112, 20))
        deliveries = pay_orders(shop.control, orders)
        idle = _Meter()
        alone += _read_delays(shop, effort.of(20, 2), lambda: True)
        idle_share = idle.read_share()
        found, events, seconds, spent = _apply_beside(shop, deliveries, idle_share)
        beside += found
        rounds.append((events, seconds, spent))
        say(f"{events:.0f} events applied in {seconds:.1f} s, {len(found)} alerts meanwhile")
    events, seconds, spent = (sum(each) for each in zip(*rounds, strict=True))
    ratio = "page read → accepted beside them ÷ alone"
    return [
        Figure(f"events applied beside alerts, in {len(rounds)} turns", events),
        Figure("events applied/s", events / seconds),
        Figure(
            "CPU of API, background jobs, PostgreSQL and Redis an event applied, ms", spent / events * 1000
        ),
        Figure("page read → accepted, alone, p50 ms", percentile(alone, 50)),
        Figure("page read → accepted, beside them, p50 ms", percentile(beside, 50)),
        Figure("page read → accepted, beside them, p95 ms", percentile(beside, 95)),
        Figure(f"{ratio}, p50", percentile(beside, 50) / percentile(alone, 50), at_most(1.1)),
        Figure(f"{ratio}, p95", percentile(beside, 95) / percentile(alone, 95)),
    ]


def _apply_beside(
    shop: _Shop, deliveries: Sequence[Delivery], idle_share: float
) -> tuple[list[float], float, float, float]:
    """Post events and let slots open until all are applied; return the delays, the events, seconds, and CPU seconds."""
    before, began, meter = float(str(shop.read(_APPLIED))), time.monotonic(), _Meter()
    with ThreadPoolExecutor(1) as hands:
        posting = hands.submit(shop.post, deliveries)
        delays = _read_delays(shop, 10_000, lambda: not posting.done() or bool(shop.read(_OPEN)))
        posting.result()
    shop.wait_applied()
    seconds = time.monotonic() - began
    spent = meter.read_seconds() - idle_share * seconds
    return delays, float(str(shop.read(_APPLIED))) - before, seconds, spent


def _read_delays(shop: _Shop, slots: int, goes_on: Callable[[], bool]) -> list[float]:
    return [each["accepted"] for each in latency.measure(shop.stack, slots, goes_on).ledgers]


class _Meter:
    """CPU that the programs of payments and the servers use from now on."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _read_cpu()

    def read_seconds(self) -> float:
        """Return the CPU seconds since then."""
        return sum(used - self._before.get(each, 0.0) for each, used in _read_cpu().items())

    def read_share(self) -> float:
        """Return the share of one core since then."""
        return self.read_seconds() / (time.monotonic() - self._began)


def _read_cpu() -> dict[psutil.Process, float]:
    """Return the CPU seconds that each of these programs' processes has used."""
    used = {}
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a connection of PostgreSQL's has just ended
            if any(name in " ".join(process.cmdline()) for name in _PROGRAMS):
                used[process] = cpu(process)
    return used
