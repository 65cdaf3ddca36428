"""The monthly plan: one grant per paid period, days of grace, and an end that Stripe is asked for until it agrees."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.billing.plan_ends import remind_in_grace
from api.models.base import session
from api.models.notification import Notification
from api.models.payment import Payment, PaymentStatus, RefundReason, StripeId
from api.models.stripe_command import CommandKind
from api.models.user import User
from api.payments.executors import carry_out
from api.payments.ledger import lock_payment
from api.payments.objects.purchases import Invoice
from api.payments.refunds import plan_refund
from api.payments.subscriptions import request_cancellation
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import (
    Shop,
    find_customer,
    get_payment,
    get_subscription,
    list_commands,
    list_grants,
    list_messages,
    list_open_events,
    list_refunds,
    order_refund,
    send_commands,
)
from tests.clients import Person
from tests.factories import get, remove, rows

TOTAL = PlanName.URGENCE_TOTAL


def test_the_first_invoice_gives_the_first_period(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, TOTAL)
    (grant,) = list_grants(camille.id)
    row = get_subscription()
    assert (grant.payment_id, grant.starts_at, grant.ends_at) == (payment_id, clock(), row.period_ends_at)
    assert (row.status, row.user_id, row.plan) == ("active", camille.id, TOTAL)
    assert get_payment(payment_id).status is PaymentStatus.COMPLETED
    assert get_payment(payment_id).subscription_id == row.id
    assert list_messages() == ["order"]
    shop.work_off()  # events of its PaymentIntent, which was unknown before its invoice
    assert list_open_events() == []


def test_events_in_reverse_end_the_same(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id, TOTAL)
    shop.control.pay(order.session_id)
    deliveries = shop.control.take_deliveries()
    shop.deliver(deliveries[::-1])
    shop.work_off()
    (grant,) = list_grants(camille.id)
    assert grant.payment_id == order.payment_id
    assert len(rows(Payment)) == 1
    assert get_subscription().status == "active"


def test_a_renewal_is_a_payment_and_a_grant_of_its_own(shop: Shop, camille: Person) -> None:
    first = shop.buy(camille.id, TOTAL)
    shop.pass_time(days=31, hours=2)
    _, renewal = rows(Payment)
    before, after = list_grants(camille.id)
    assert (before.payment_id, after.payment_id) == (first, renewal.id)
    assert after.starts_at == before.ends_at
    assert (renewal.amount_cents, renewal.status) == (2999, PaymentStatus.COMPLETED)
    assert get_subscription().period_ends_at == after.ends_at
    assert list_messages() == ["order"]


def test_a_refused_renewal_leaves_three_days_and_is_told_each_day(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    shop.control.use_card(find_customer(camille.id), "fails_later")
    shop.pass_time(days=31, hours=2)
    _, renewal = rows(Payment)
    assert renewal.status is PaymentStatus.FAILED
    paid, grace = list_grants(camille.id)
    assert (grace.source, grace.starts_at) == ("grace", paid.ends_at)
    assert grace.ends_at == paid.ends_at + timedelta(days=3)
    for _ in range(2):
        with session() as s:
            remind_in_grace(s)
    shop.clock.shift(timedelta(days=1))
    with session() as s:
        remind_in_grace(s)
    assert list_messages() == ["order", "payment_failed", "payment_failed"]
    shop.control.use_card(find_customer(camille.id), "visa")
    (invoice,) = [each for each in shop.control.objects("invoice") if each["status"] == "open"]
    shop.control.pay_invoice(invoice["id"])
    shop.deliver()
    assert get_payment(renewal.id).status is PaymentStatus.COMPLETED
    assert [each.source for each in list_grants(camille.id)] == ["payment", "payment"]


def test_a_full_refund_ends_the_plan_and_the_subscription(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, TOTAL)
    shop.pass_time(days=1)
    carry_out(CommandKind.REFUND, order_refund(payment_id, 2999))
    assert list_grants(camille.id)[0].ends_at == clock()
    send_commands()
    shop.deliver()
    assert get_subscription().status == "canceled"
    shop.pass_time(days=40)
    assert len(rows(Payment)) == 1


def test_an_account_that_is_deleted_before_its_subscription_is_known_pays_no_more(
    shop: Shop, camille: Person
) -> None:
    order = shop.order(camille.id, TOTAL)
    shop.control.pay(order.session_id)
    remove(User, User.id == camille.id)
    shop.deliver()
    shop.deliver()
    assert list_commands() == []
    shop.pass_time(days=40)
    assert [each["captured"] for each in shop.control.ledger()] == [2999]


def test_an_end_that_is_over_by_stripe_s_clock_is_asked_for_again(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    row, at = get_subscription(), clock() + timedelta(minutes=1)
    with session() as s:
        request_cancellation(s, row.id, at)
    shop.control.advance(seconds=90)  # ahead of our clock
    carry_out(CommandKind.END, row.id)
    assert list_commands()
    shop.clock.move_to(at)
    carry_out(CommandKind.END, row.id)
    shop.deliver()
    assert (get_subscription().status, list_commands()) == ("canceled", [])


def test_the_first_invoice_is_enough_to_know_period_and_customer(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id, TOTAL)
    shop.control.pay(order.session_id)
    shop.deliver(each for each in shop.control.take_deliveries() if each.type == "invoice.paid")
    row = get_subscription()
    (grant,) = list_grants(camille.id)
    assert (row.status, row.period_starts_at, row.period_ends_at) == (
        "active",
        grant.starts_at,
        grant.ends_at,
    )
    assert get(User, camille.id).stripe_customer_id  # the portal opens


def test_a_subscription_that_has_ended_is_left_alone(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    row = get_subscription()
    with session() as s:
        request_cancellation(s, row.id, clock())
    (known,) = shop.control.objects("subscription")
    shop.control.cancel_subscription(known["id"])  # the dashboard was quicker
    shop.deliver()
    carry_out(CommandKind.END, row.id)
    assert list_commands() == []


@pytest.mark.parametrize("at_period_end", [True, False])
def test_a_cancellation_at_stripe_gets_its_receipt_once(
    shop: Shop, camille: Person, at_period_end: bool
) -> None:
    shop.buy(camille.id, TOTAL)
    (known,) = shop.control.objects("subscription")
    shop.control.cancel_subscription(known["id"], at_period_end=at_period_end)
    deliveries = shop.control.take_deliveries()
    shop.deliver(deliveries)
    shop.deliver(deliveries)
    shop.pass_time(days=32)
    assert list_messages() == ["order", "cancelled"]
    with session() as s:
        params = s.scalars(sa.select(Notification.params).where(Notification.kind == "cancelled")).one()
    (grant,) = list_grants(camille.id)
    assert params == {"ends": grant.ends_at.isoformat(), "refund": 0, "plan": "URGENCE_TOTAL"}


def test_an_end_of_ours_gets_no_second_receipt(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    with session() as s:
        request_cancellation(s, get_subscription().id, clock() + timedelta(days=3))
    carry_out(CommandKind.END, get_subscription().id)
    shop.pass_time(days=4)
    assert get_subscription().status == "canceled"
    assert list_messages() == ["order"]


def test_an_invoice_that_another_intent_paid_is_refunded_by_that_one(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, TOTAL)
    (invoice,) = shop.control.objects("invoice")
    facts = Invoice().fetch(invoice["id"])
    assert facts.payments
    (first,) = facts.payments
    paid = first.model_copy(update={"intent": "pi_second", "status": "paid"})
    tried = first.model_copy(update={"status": "canceled"})
    both = facts.model_copy(update={"payments": [tried, paid]})
    for _ in range(2):
        with session() as s:
            Invoice().apply(s, both)
    with session() as s:
        named = sa.select(StripeId.kind, StripeId.id).where(StripeId.payment_id == payment_id)
        kinds = {kind: name for kind, name in s.execute(named) if kind.startswith("payment_intent")}
        refund_id = plan_refund(s, lock_payment(s, payment_id), 100, RefundReason.OPERATOR).id
    assert kinds == {"payment_intent": first.intent, "payment_intent.2": "pi_second"}
    carry_out(CommandKind.REFUND, refund_id)
    assert list_refunds(payment_id)[0].error == "resource_missing"  # the stand-in has no such intent
