"""Mails to admins where more payments fail than usual, once a day at most."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest
import sqlalchemy as sa

from api.jobs import schedule as jobs
from api.models.base import session
from api.models.payment import Payment, PaymentEvent, PaymentEventKind
from api.payments.ledger.notices import WINDOW, count_failures
from api.payments.ledger.stripe_ids import link_intent
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop, list_messages
from tests.clients import Person
from tests.factories import add_payment, add_stripe_event, save

NUMBERS = count()


@pytest.fixture(autouse=True)
def operator(shop: Shop, camille: Person, settings_env: Callable[..., None]) -> None:
    settings_env(SUPPORT_EMAIL="ops@example.org")
    add_payment(camille.id)


def refuse(times: int, hours_ago: float = 0.5) -> None:
    """Write the events of refused cards, each of a PaymentIntent of its own."""
    at = clock() - timedelta(hours=hours_ago)
    for _ in range(times):
        n = next(NUMBERS)
        name = f"pi_f{n}"
        add_stripe_event(
            f"evt_f{n}", type="payment_intent.payment_failed", object_type="payment_intent",
            object_id=name, received_at=at, created_at=at,
        )  # fmt: skip
        with session() as s:
            link_intent(s, name, s.scalars(sa.select(Payment)).one())


def test_many_at_once_are_told_once_a_day(shop: Shop) -> None:
    refuse(5)
    assert [jobs.tell_rising_failures()["mails"] for _ in range(2)] == [1, 0]
    assert list_messages() == ["payment_trouble"]
    shop.clock.shift(timedelta(days=1))
    refuse(50)
    assert jobs.tell_rising_failures() == {"mails": 1}


def test_what_is_usual_is_no_news(shop: Shop) -> None:
    for window in range(1, 14 * 8):
        refuse(2, hours_ago=window * 3 + 0.5)
    refuse(6)
    assert jobs.tell_rising_failures() == {"mails": 0}
    refuse(1)
    assert jobs.tell_rising_failures() == {"mails": 1}


def test_orders_that_stripe_never_took_count_and_one_refused_again_and_again_once(
    shop: Shop, camille: Person
) -> None:
    order = shop.order(camille.id, PlanName.URGENCE_24H)
    for _ in range(3):
        shop.control.pay(order.session_id, card="declined")
    shop.deliver()
    assert count_failures_now() == 1
    lost = shop.order(camille.id, PlanName.URGENCE_24H)
    save(
        PaymentEvent(
            payment_id=lost.payment_id, kind=PaymentEventKind.FAILED, at=clock(), recorded_at=clock()
        )
    )
    assert count_failures_now() == 2
    shop.clock.shift(WINDOW)
    assert count_failures_now() == 0


def count_failures_now() -> int:
    with session() as s:
        return count_failures(s, clock() - WINDOW, clock())
