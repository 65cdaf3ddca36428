"""The monthly plan: one grant per paid period, the hour before a collection, days of grace, and an end that Stripe agrees to."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from api.jobs import schedule as background
from api.models.base import session
from api.models.notification import Notification
from api.models.payment import CreditForm, Payment, PaymentStatus, RefundReason, StripeId, WatchCredit
from api.models.stripe_event import CommandKind
from api.models.user import Role, User
from api.payments.billing.plan_ends import remind_in_grace
from api.payments.exchange.commands import carry_out
from api.payments.exchange.jobs import work_off
from api.payments.exchange.objects import OBJECT_TYPES
from api.payments.exchange.reconciliation import sync_stuck_payments
from api.payments.ledger.early_ends import withdraw
from api.payments.ledger.grants import price_use
from api.payments.ledger.payment_events import lock_payment
from api.payments.ledger.refunds import plan_refund
from api.payments.ledger.subscriptions import request_cancellation
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
from tests.factories import get, give_role, remove, rows
from tests.running_sandbox import Running

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


@pytest.mark.parametrize("days", [0, 30])
def test_an_end_that_a_wrong_key_cannot_ask_for_waits_for_the_right_one(
    shop: Shop, camille: Person, sandbox: Running, days: int
) -> None:
    """Stripe forgets no subscription: where it knows none, our key is that of another account."""
    give_role(camille.id, Role.ADMIN)
    shop.buy(camille.id, PlanName.URGENCE_TOTAL)
    account = sandbox._sandbox.stripe.account
    (known,) = account.where("subscription")
    account.drop(known)
    with session() as s:
        request_cancellation(s, get_subscription().id, clock() + timedelta(days=days))
    send_commands()
    assert [(each.kind, str(each.error)[:16]) for each in list_commands()] == [("end", "resource_missing")]
    (mail,) = rows(Notification, Notification.kind == "payment_trouble")
    assert "resource_missing" in mail.params["detail"]
    account.add(known)
    shop.clock.shift(timedelta(minutes=5))
    work_off()
    assert list_commands() == []
    shop.pass_time(days=31)
    assert [each["amount_received"] for each in shop.control.objects("payment_intent")] == [2999]


@pytest.mark.parametrize("read_before", ["", "customer.subscription.created"])
def test_the_first_invoice_tells_period_and_customer(shop: Shop, camille: Person, read_before: str) -> None:
    shop.control.pay(shop.order(camille.id, TOTAL).session_id)
    deliveries = shop.control.take_deliveries()
    shop.deliver(each for each in deliveries if each.type == read_before)
    with session() as s:
        s.execute(sa.text("UPDATE subscriptions SET status = 'incomplete'"))  # until its first payment
    shop.deliver(each for each in deliveries if each.type == "invoice.paid")
    row, (grant,) = get_subscription(), list_grants(camille.id)
    assert row.status == "active"
    assert (row.period_starts_at, row.period_ends_at) == (grant.starts_at, grant.ends_at)
    assert get(User, camille.id).stripe_customer_id  # the portal opens


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


def test_an_invoice_that_another_intent_paid_is_refunded_by_that_one(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, TOTAL)
    (invoice,) = shop.control.objects("invoice")
    facts = OBJECT_TYPES["invoice"].fetch(invoice["id"])
    assert facts.payments
    (first,) = facts.payments
    paid = first.model_copy(update={"intent": "pi_second", "status": "paid"})
    tried = first.model_copy(update={"status": "canceled"})
    both = facts.model_copy(update={"payments": [tried, paid]})
    for _ in range(2):
        with session() as s:
            OBJECT_TYPES["invoice"].apply(s, both)
    with session() as s:
        named = sa.select(StripeId.kind, StripeId.id).where(StripeId.payment_id == payment_id)
        kinds = {kind: name for kind, name in s.execute(named) if kind.startswith("payment_intent")}
        refund_id = plan_refund(s, lock_payment(s, payment_id), 100, RefundReason.OPERATOR).id
    assert kinds == {"payment_intent": first.intent, "payment_intent.2": "pi_second"}
    carry_out(CommandKind.REFUND, refund_id)
    assert list_refunds(payment_id)[0].error == "resource_missing"  # the stand-in has no such intent


def pass_to_draft(shop: Shop, camille: Person) -> Payment:
    """Buy, and move to some minutes after the month's end, where the renewal is a draft."""
    shop.buy(camille.id, TOTAL)
    ends = get_subscription().period_ends_at
    assert ends
    shop.pass_time(seconds=(ends - clock()).total_seconds() + 600)
    _, renewal = rows(Payment)
    assert isinstance(renewal, Payment)
    return renewal


def test_the_plan_goes_on_until_a_renewal_is_collected(shop: Shop, camille: Person) -> None:
    renewal = pass_to_draft(shop, camille)
    assert (renewal.status, renewal.amount_cents) == (PaymentStatus.PENDING, 2999)
    paid, bridge = list_grants(camille.id)
    assert (bridge.source, bridge.starts_at) == ("grace", paid.ends_at)
    assert bridge.ends_at > clock()
    shop.pass_time(hours=2)
    before, after = list_grants(camille.id)
    assert (after.source, after.starts_at, after.payment_id) == ("payment", before.ends_at, renewal.id)
    assert rows(Payment)[1].status is PaymentStatus.COMPLETED
    assert list_messages() == ["order"]


def test_a_draft_whose_subscription_was_cancelled_ends_the_bridge(shop: Shop, camille: Person) -> None:
    renewal = pass_to_draft(shop, camille)
    with session() as s:
        request_cancellation(s, get_subscription().id, clock())
    carry_out(CommandKind.END, get_subscription().id)
    shop.pass_time(hours=1)
    assert sync_stuck_payments()["synced"] == 1
    assert [each.source for each in list_grants(camille.id) if each.ends_at > clock()] == []
    assert rows(Payment)[1].status is PaymentStatus.FAILED
    assert "payment_failed" not in list_messages(), renewal.id


def pass_to_end(shop: Shop, camille: Person) -> datetime:
    """Buy, and move to a few minutes before the month's end, while no events come."""
    shop.buy(camille.id, TOTAL)
    ends = get_subscription().period_ends_at
    assert ends
    shop.clock.move_to(ends - timedelta(minutes=5))
    return ends


def test_days_of_grace_begin_without_an_event(shop: Shop, camille: Person) -> None:
    ends = pass_to_end(shop, camille)
    for _ in range(2):
        background.begin_days_of_grace()
    _, grace = list_grants(camille.id)
    assert (grace.source, grace.starts_at, grace.ends_at) == ("grace", ends, ends + timedelta(days=3))
    shop.pass_time(minutes=15)  # the draft comes
    renewal = rows(Payment)[1]
    assert [each.payment_id for each in list_grants(camille.id)][1:] == [renewal.id]
    shop.pass_time(hours=2)
    assert [each.source for each in list_grants(camille.id)] == ["payment", "payment"]


def test_a_month_that_is_paid_unheard_of_replaces_its_days_of_grace(shop: Shop, camille: Person) -> None:
    pass_to_end(shop, camille)
    background.begin_days_of_grace()
    shop.clock.shift(timedelta(hours=3))
    shop.control.advance()
    deliveries = shop.control.take_deliveries()
    shop.deliver([each for each in deliveries if each.type == "invoice.paid"])
    assert [each.source for each in list_grants(camille.id)] == ["payment", "payment"]
    background.begin_days_of_grace()
    assert len(list_grants(camille.id)) == 2


def test_a_cancelled_month_gets_no_days_of_grace(shop: Shop, camille: Person) -> None:
    ends = pass_to_end(shop, camille)
    with session() as s:
        request_cancellation(s, get_subscription().id, ends)
    background.begin_days_of_grace()
    assert len(list_grants(camille.id)) == 1


def test_days_of_grace_end_with_their_subscription(shop: Shop, camille: Person) -> None:
    ends = pass_to_end(shop, camille)
    background.begin_days_of_grace()
    (known,) = shop.control.objects("subscription")
    shop.control.cancel_subscription(known["id"])
    shop.deliver()
    assert list_grants(camille.id)[1].ends_at == ends + timedelta(seconds=1)


def test_days_without_a_plan_are_given_back_where_a_renewal_is_collected_late(
    shop: Shop, camille: Person
) -> None:
    shop.buy(camille.id, TOTAL)
    shop.control.use_card(find_customer(camille.id), "fails_later")
    shop.pass_time(days=31, hours=2)
    grace = list_grants(camille.id)[1]
    shop.clock.move_to(grace.ends_at + timedelta(days=2))
    shop.control.use_card(find_customer(camille.id), "visa")
    (invoice,) = [each for each in shop.control.objects("invoice") if each["status"] == "open"]
    shop.control.pay_invoice(invoice["id"])
    shop.deliver()
    background.credit_outages()
    shop.work()
    (lost,) = rows(WatchCredit)
    assert (lost.seconds, lost.form) == ((clock() - grace.ends_at).total_seconds(), CreditForm.INVOICE)
    row = get_subscription()
    assert row.period_ends_at
    assert row.period_starts_at
    assert lost.amount_cents == -(-2999 * timedelta(days=2) // (row.period_ends_at - row.period_starts_at))
    assert list_messages()[-1] == "credited"
    background.credit_outages()
    assert len(rows(WatchCredit)) == 1
    assert [each["amount"] for each in shop.control.objects("invoiceitem")] == [-lost.amount_cents]


def test_a_withdrawn_month_keeps_its_price_when_stripe_renews_it_unheard(shop: Shop, camille: Person) -> None:
    payment_id = shop.buy(camille.id, TOTAL)
    shop.pass_time(minutes=30)
    with session() as s:
        withdraw(s, payment_id, clock())
    ends = clock()  # Stripe was never asked to end it
    shop.pass_time(days=31, hours=2)
    with session() as s:
        assert price_use(s, s.get_one(Payment, payment_id), ends) == 2  # 30 minutes of a month of 2,999 cents
