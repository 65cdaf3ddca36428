"""From a paid session to a plan, once, in any order of the events; and money that goes back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Payment, PaymentStatus, RefundReason, RefundStatus
from api.models.stripe_event import CommandKind
from api.payments.exchange.commands import carry_out
from api.payments.exchange.jobs import work_off
from api.payments.ledger.stripe_ids import find_stripe_id
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import (
    Order,
    Shop,
    apply_event,
    find_intent,
    get_payment,
    list_grants,
    list_kinds,
    list_messages,
    list_open_events,
    list_refunds,
    order_refund,
)
from tests.clients import Person
from tests.desk_proofs import prove_desks
from tests.factories import add_alert, change, rows
from tests.waiting import at_once


def test_a_paid_order_gives_the_plan_once_and_wakes_the_alerts_in_any_order_of_the_events(
    shop: Shop, camille: Person
) -> None:
    alert_id = add_alert(camille.id)
    order = shop.order(camille.id)
    assert shop.control.pay(order.session_id)["error"] is None
    deliveries = shop.control.take_deliveries()
    assert len(deliveries) > 2
    for each in (deliveries[::-1], deliveries):
        shop.deliver(each)
    payment = get_payment(order.payment_id)
    assert (payment.status, payment.paid_at, payment.amount_cents) == (PaymentStatus.COMPLETED, clock(), 1499)
    (grant,) = list_grants(camille.id)
    assert (grant.starts_at, grant.ends_at) == (clock(), clock() + timedelta(days=7))
    assert (grant.payment_id, grant.source) == (order.payment_id, "payment")
    assert shop.door.caught_up == [alert_id]
    assert (list_kinds(order.payment_id), list_messages()) == (["paid"], ["order"])
    assert len(shop.door.nudged) == 1
    assert list_open_events() == []


@pytest.mark.parametrize(
    ("card", "status", "told"),
    [
        ("sepa", PaymentStatus.COMPLETED, ["order"]),
        ("sepa_fails", PaymentStatus.FAILED, ["payment_failed"]),
        (None, PaymentStatus.FAILED, []),
    ],
)
def test_a_plan_starts_when_a_bank_debit_is_paid_and_not_where_it_fails_or_nobody_pays(
    shop: Shop, camille: Person, card: str | None, status: PaymentStatus, told: list[str]
) -> None:
    order = shop.order(camille.id)
    if card:
        shop.control.pay(order.session_id, card=card)
    shop.deliver()
    assert get_payment(order.payment_id).status is PaymentStatus.PENDING
    assert list_grants(camille.id) == []
    shop.pass_time(days=4)
    assert get_payment(order.payment_id).status is status
    assert [each.starts_at for each in list_grants(camille.id)] == [clock()] * (card == "sepa")
    assert list_messages() == told


def test_the_ordered_alert_is_created_or_the_money_goes_back(shop: Shop, camille: Person) -> None:
    prove_desks()
    wishes = ({"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}, {"deskIds": ["gone"]})
    bought = [shop.buy(camille.id, PlanName.URGENCE_24H, alert_wish=wish) for wish in wishes]
    shop.deliver()
    payments = [get_payment(each) for each in bought]
    assert [each.status for each in payments] == [PaymentStatus.COMPLETED, PaymentStatus.REFUNDED]
    assert [each.alert_id in shop.door.caught_up for each in payments] == [True, False]
    assert [each.payment_id for each in list_grants(camille.id)] == bought[:1]
    assert list_messages() == ["order", "refunded"]


def deliver_in_turn(shop: Shop, order: Order, *, intent_first: bool) -> None:
    """Apply what Stripe sends of an order's PaymentIntent before or after the rest."""
    deliveries = shop.control.take_deliveries()
    intents = [each for each in deliveries if each.type.startswith("payment_intent.")]
    others = [each for each in deliveries if each not in intents]
    for part in (intents, others) if intent_first else (others, intents):
        shop.deliver(part)
    shop.work_off()


def test_an_amount_that_no_discount_explains_is_told_in_any_order(
    shop: Shop, camille: Person, admin: None
) -> None:
    for intent_first in (True, False):
        order = shop.order(camille.id)
        change(Payment, Payment.id == order.payment_id, amount_cents=1599)  # more than Stripe was told
        shop.control.pay(order.session_id)
        deliver_in_turn(shop, order, intent_first=intent_first)
    assert sorted(list_messages()) == ["order", "order", "payment_trouble", "payment_trouble"]
    assert {each["trouble"] for each in list_params("payment_trouble")} == {"amount_differs"}


def test_a_promotion_code_alarms_nobody_in_any_order(shop: Shop, camille: Person, admin: None) -> None:
    shop.control.add_promotion_code("WELCOME", percent_off=20)
    for intent_first in (True, False):
        order = shop.order(camille.id)
        shop.control.pay(order.session_id, promotion_code="WELCOME")
        deliver_in_turn(shop, order, intent_first=intent_first)
        assert get_payment(order.payment_id).amount_cents == 1199
    assert list_messages() == ["order", "order"]


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
    detail = f"payment {payment.id}: 1499 of usd, not counted as paid"
    assert list_params("payment_trouble") == [{"trouble": "currency_differs", "detail": detail}]


def list_params(kind: str) -> list[dict[str, Any]]:
    return [each.params for each in rows(Notification, Notification.kind == kind)]


@pytest.fixture
def admin(settings_env: Callable[..., None]) -> None:
    settings_env(SUPPORT_EMAIL="operators@example.org")


def test_a_full_refund_ends_the_plan_or_deletes_it_before_it_began_and_later_ones_move_up(
    shop: Shop, camille: Person
) -> None:
    first, second, third = (shop.buy(camille.id) for _ in range(3))
    running, following, _ = list_grants(camille.id)
    carry_out(CommandKind.REFUND, order_refund(second, 1499))
    kept, moved = list_grants(camille.id)
    assert kept.ends_at == running.ends_at
    assert (moved.payment_id, moved.starts_at, moved.ends_at) == (
        third,
        following.starts_at,
        following.ends_at,
    )
    shop.pass_time(days=1)
    carry_out(CommandKind.REFUND, order_refund(first, 1499))
    shop.deliver()
    ended, moved = list_grants(camille.id)
    assert (ended.payment_id, ended.ends_at) == (first, clock())
    assert (moved.payment_id, moved.starts_at) == (third, clock())
    assert moved.ends_at == clock() + timedelta(days=7)
    assert get_payment(first).status is PaymentStatus.REFUNDED
    assert list_kinds(first) == ["paid", "refunded"]
    assert list_messages() == ["order"] * 3 + ["refunded"] * 2


def test_a_refund_that_comes_back_can_be_made_again(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1499))
    shop.deliver()
    (made,) = shop.control.objects("refund")
    shop.control.settle_refund(made["id"], "failed", "expired_or_canceled_card")
    shop.deliver()
    payment = get_payment(payment_id)
    assert (payment.status, payment.refunded_cents) == (PaymentStatus.COMPLETED, 0)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1499))
    assert get_payment(payment_id).status is PaymentStatus.REFUNDED


def test_a_refund_and_a_dispute_at_once_end_the_plan_once(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id)
    shop.pass_time(hours=1)
    shop.control.refund(find_intent(payment_id), amount=1000)
    opened = shop.control.dispute(find_intent(payment_id), amount=499)
    shop.control.close_dispute(opened["id"], "lost")
    deliveries = shop.control.take_deliveries()
    for each in deliveries:
        shop.post(each.body, each.headers)
    at_once(apply_event, deliveries)
    assert get_payment(payment_id).status is PaymentStatus.REFUNDED
    assert get_payment(payment_id).refunded_cents == 1000
    (grant,) = list_grants(camille.id)
    assert grant.ends_at == clock()


def refund_in_dashboard(shop: Shop, payment_id: UUID, cents: int) -> None:
    with session() as s:
        intent = find_stripe_id(s, s.get_one(Payment, payment_id), "payment_intent")
    shop.control.refund(str(intent), amount=cents)


def list_sums(payment_id: UUID) -> list[tuple[RefundReason, RefundStatus, int]]:
    return [(each.reason, each.status, each.amount_cents) for each in list_refunds(payment_id)]


@pytest.mark.parametrize("sent_back", [True, False])
def test_what_an_operator_wished_or_a_bank_sent_back_is_not_repeated(
    shop: Shop, camille: Person, *, sent_back: bool
) -> None:
    payment_id = shop.buy(camille.id)
    reason = RefundReason.WITHDRAWAL if sent_back else RefundReason.OPERATOR
    refund_id = order_refund(payment_id, 1499, reason)
    if sent_back:
        carry_out(CommandKind.REFUND, refund_id)
        shop.deliver()
        (made,) = shop.control.objects("refund")
        shop.control.settle_refund(made["id"], "failed", "expired_or_canceled_card")
        shop.deliver()
    refund_in_dashboard(shop, payment_id, 200)
    carry_out(CommandKind.REFUND, refund_id)
    shop.deliver()
    work_off()
    assert [status for _, status, _ in sorted(list_sums(payment_id))] == [
        RefundStatus.SUCCEEDED,
        RefundStatus.FAILED,
    ]


def test_a_refund_made_without_an_answer_is_known_beside_one_of_the_dashboard(
    shop: Shop, camille: Person
) -> None:
    payment_id = shop.buy(camille.id)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 1))
    shop.deliver()
    (first,) = shop.control.objects("refund")
    shop.control.settle_refund(
        first["id"], "failed", "expired_or_canceled_card"
    )  # so that Stripe has a cent more than is known here
    due = order_refund(payment_id, 1498, RefundReason.WITHDRAWAL)
    shop.control.mode("reset_after", path="POST /v1/refunds")
    carry_out(CommandKind.REFUND, due)
    shop.control.mode("normal")
    refund_in_dashboard(shop, payment_id, 1)
    shop.deliver(reversed(list(shop.control.take_deliveries())))
    shop.work_off()
    shop.deliver()
    assert [each["refunded"] for each in shop.control.ledger()] == [1499]
    assert sorted(each for each in list_sums(payment_id) if each[1] is RefundStatus.SUCCEEDED) == [
        (RefundReason.EXTERNAL, RefundStatus.SUCCEEDED, 1),
        (RefundReason.WITHDRAWAL, RefundStatus.SUCCEEDED, 1498),
    ]
