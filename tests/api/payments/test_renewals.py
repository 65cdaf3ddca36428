"""The hour between the end of a paid month and the collection of the next one, which Stripe leaves to its draft."""

from datetime import datetime, timedelta

from api.background import jobs as background
from api.models.base import session
from api.models.payment import Payment, PaymentStatus, Subscription
from api.models.stripe_command import CommandKind
from api.models.watch_credit import CreditForm, WatchCredit
from api.payments.early_ends import withdraw
from api.payments.executors import carry_out
from api.payments.grants import price_use
from api.payments.reconciliation import sync_stuck_payments
from api.payments.subscriptions import request_cancellation
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop, find_customer, get_subscription, list_grants, list_messages
from tests.clients import Person
from tests.factories import rows

TOTAL = PlanName.URGENCE_TOTAL


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


def test_no_bridge_beyond_an_end_that_was_chosen(shop: Shop, camille: Person) -> None:
    shop.buy(camille.id, TOTAL)
    with session() as s:
        row = s.get_one(Subscription, get_subscription().id)
        row.cancel_wanted_at = row.period_ends_at  # Stripe was never asked
    shop.pass_time(days=31, seconds=600)
    assert [each.source for each in list_grants(camille.id)] == ["payment"]


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
