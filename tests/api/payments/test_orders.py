"""From a paid session to a plan: what is written, once, in any order of the events."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Payment, PaymentStatus
from api.models.user import User
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import (
    Order,
    Shop,
    get_payment,
    list_grants,
    list_kinds,
    list_messages,
    list_open_events,
)
from tests.clients import Person
from tests.factories import add_alert, change, remove


def test_a_paid_order_gives_the_plan_and_wakes_the_alerts(shop: Shop, camille: Person) -> None:
    alert_id = add_alert(camille.id)
    order = shop.order(camille.id)
    assert shop.control.pay(order.session_id)["error"] is None
    shop.deliver()
    payment = get_payment(order.payment_id)
    assert (payment.status, payment.paid_at, payment.amount_cents) == (PaymentStatus.COMPLETED, clock(), 1499)
    (grant,) = list_grants(camille.id)
    assert (grant.starts_at, grant.ends_at) == (clock(), clock() + timedelta(days=7))
    assert (grant.payment_id, grant.source) == (order.payment_id, "payment")
    assert shop.door.caught_up == [alert_id]
    assert list_messages() == ["order"]
    assert len(shop.door.nudged) == 1
    assert list_open_events() == []


def test_events_in_any_order_and_twice_end_the_same(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    deliveries = shop.control.take_deliveries()
    assert len(deliveries) > 2
    for each in (deliveries[::-1], deliveries):
        shop.deliver(each)
    assert list_kinds(order.payment_id) == ["paid"]
    assert len(list_grants(camille.id)) == 1
    assert list_messages() == ["order"]
    assert list_open_events() == []


def test_an_abandoned_checkout_gives_nothing(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    shop.pass_time(days=2)
    assert get_payment(order.payment_id).status is PaymentStatus.FAILED
    assert list_kinds(order.payment_id) == ["expired"]
    assert list_grants(camille.id) == []


def test_a_bank_debit_starts_the_plan_when_it_is_paid(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id, card="sepa")
    shop.deliver()
    assert get_payment(order.payment_id).status is PaymentStatus.PENDING
    assert list_grants(camille.id) == []
    shop.pass_time(days=4)
    (grant,) = list_grants(camille.id)
    assert grant.starts_at == clock()


def test_a_bank_debit_that_fails_is_told(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id, card="sepa_fails")
    shop.deliver()
    shop.pass_time(days=4)
    assert get_payment(order.payment_id).status is PaymentStatus.FAILED
    assert list_grants(camille.id) == []
    assert list_messages() == ["payment_failed"]


def test_an_account_that_is_gone_gets_its_money_back(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    remove(User, User.id == camille.id)
    shop.control.pay(order.session_id)
    shop.deliver()
    shop.deliver()
    assert get_payment(order.payment_id).status is PaymentStatus.REFUNDED
    (money,) = shop.control.ledger()
    assert money["net"] == 0


@pytest.mark.parametrize(("desk", "watched"), [("bobigny_93/titre-sejour", True), ("gone", False)])
def test_the_ordered_alert_is_created_or_the_money_goes_back(
    shop: Shop, camille: Person, desk: str, watched: bool
) -> None:
    wish = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]} if watched else {"deskIds": [desk]}
    payment_id = shop.buy(camille.id, PlanName.URGENCE_24H, alert_wish=wish)
    shop.deliver()
    payment = get_payment(payment_id)
    assert (payment.alert_id in shop.door.caught_up) is watched
    assert (payment.status is PaymentStatus.COMPLETED) is watched
    assert len(list_grants(camille.id)) == watched
    assert list_messages() == (["order"] if watched else ["refunded"])


def deliver_in_turn(shop: Shop, order: Order, *, intent_first: bool) -> None:
    """Apply what Stripe sends of an order's PaymentIntent before or after the rest."""
    deliveries = shop.control.take_deliveries()
    intents = [each for each in deliveries if each.type.startswith("payment_intent.")]
    others = [each for each in deliveries if each not in intents]
    for part in (intents, others) if intent_first else (others, intents):
        shop.deliver(part)
    shop.work_off()


@pytest.mark.parametrize("intent_first", [True, False])
def test_an_amount_that_no_discount_explains_is_told_in_any_order(
    shop: Shop, camille: Person, admin: None, intent_first: bool
) -> None:
    order = shop.order(camille.id)
    change(Payment, Payment.id == order.payment_id, amount_cents=1599)  # more than Stripe was told
    shop.control.pay(order.session_id)
    deliver_in_turn(shop, order, intent_first=intent_first)
    assert sorted(list_messages()) == ["order", "payment_trouble"]
    assert list_params("payment_trouble")["trouble"] == "amount_differs"


@pytest.mark.parametrize("intent_first", [True, False])
def test_a_promotion_code_alarms_nobody_in_any_order(
    shop: Shop, camille: Person, admin: None, intent_first: bool
) -> None:
    shop.control.add_promotion_code("WELCOME", percent_off=20)
    order = shop.order(camille.id)
    shop.control.pay(order.session_id, promotion_code="WELCOME")
    deliver_in_turn(shop, order, intent_first=intent_first)
    assert (get_payment(order.payment_id).amount_cents, list_messages()) == (1199, ["order"])


def test_another_currency_does_not_count_as_paid(shop: Shop, camille: Person, admin: None) -> None:
    order = shop.order(camille.id, currency_at_stripe="usd")
    shop.control.pay(order.session_id)
    shop.deliver()
    intent = shop.control.objects("payment_intent")[0]["id"]
    shop.control.refund(intent)  # by an operator, in the dashboard
    shop.deliver()
    shop.work_off()
    payment = get_payment(order.payment_id)
    assert (payment.status, payment.amount_cents, payment.refunded_cents) == (PaymentStatus.PENDING, 1499, 0)
    assert (list_grants(camille.id), list_open_events()) == ([], [])
    assert list_messages() == ["payment_trouble"]
    assert list_params("payment_trouble") == {
        "trouble": "currency_differs",
        "detail": f"payment {payment.id}: 1499 of usd, not counted as paid",
    }


def list_params(kind: str) -> dict[str, Any]:
    with session() as s:
        params: dict[str, Any] = s.scalars(
            sa.select(Notification.params).where(Notification.kind == kind)
        ).one()
    return params


@pytest.fixture
def admin(settings_env: Callable[..., None]) -> None:
    settings_env(SUPPORT_EMAIL="operators@example.org")
