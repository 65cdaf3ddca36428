"""Subscriptions by the clock: renewals, failures and retries, endings, credits."""

from collections.abc import Callable
from typing import Any

import pytest
import stripe

from deploy.sandbox.control_client import StripeControl
from deploy.sandbox.stripe.account import add_months
from tests.deploy.sandbox.stripe.conftest import MONTH, Checkout

Subscribe = Callable[[], stripe.Subscription]
DAY = 86_400


def period_of(subscription: stripe.Subscription) -> tuple[int, int]:
    item = subscription["items"].data[0]
    return item.current_period_start, item.current_period_end


def list_invoices(client: stripe.StripeClient, subscription: str) -> list[stripe.Invoice]:
    """Return a subscription's invoices, the newest first."""
    found: Any = client.v1.invoices.list({"limit": 100}).auto_paging_iter()
    return [each for each in found if each.parent.subscription_details.subscription == subscription]


def newest_invoice(client: stripe.StripeClient, subscription: str) -> stripe.Invoice:
    return list_invoices(client, subscription)[0]


def kinds(happened: Any) -> list[str]:
    return [each["type"] for each in happened["events"]]


def test_a_renewal_begins_a_period_and_is_paid_an_hour_later(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    _, end = period_of(bought)
    stripe_stand_in.move_to(end)
    told = client.v1.subscriptions.retrieve(bought.id)
    assert period_of(told)[0] == end
    assert newest_invoice(client, bought.id).status == "draft"
    happened = stripe_stand_in.advance(hours=1)
    assert kinds(happened)[-2:] == ["invoice.paid", "invoice.payment_succeeded"]
    invoice = newest_invoice(client, bought.id)
    assert (invoice.status, invoice.billing_reason, invoice.amount_paid) == (
        "paid",
        "subscription_cycle",
        2999,
    )
    assert (invoice.lines.data[0].period.start, invoice.lines.data[0].period.end) == period_of(told)
    assert sum(each["net"] for each in stripe_stand_in.ledger()) == 2 * 2999


def test_one_subscription_is_renewed_while_no_other_clock_moves(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought, other = subscribe(), subscribe()
    ends = [period_of(bought)[1]]
    before = stripe_stand_in.state()["clock"]
    for _ in range(2):
        stripe_stand_in.renew(bought.id)
        told = client.v1.subscriptions.retrieve(bought.id)
        assert period_of(told)[0] == ends[-1]
        ends.append(period_of(told)[1])
        invoice = newest_invoice(client, bought.id)
        assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_cycle")
    assert stripe_stand_in.state()["clock"] - before < DAY
    assert period_of(client.v1.subscriptions.retrieve(other.id)) == period_of(other)
    assert sum(each["net"] for each in stripe_stand_in.ledger()) == 4 * 2999
    stripe_stand_in.move_to(ends[1])
    assert period_of(client.v1.subscriptions.retrieve(bought.id))[1] == ends[-1]


def test_a_year_has_twelve_renewals_in_their_order(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    stripe_stand_in.advance(days=366)
    invoices = list_invoices(client, bought.id)[::-1]
    assert [each.status for each in invoices] == ["paid"] * 13
    periods = [(each.lines.data[0].period.start, each.lines.data[0].period.end) for each in invoices]
    assert [start for start, _ in periods[1:]] == [end for _, end in periods[:-1]]
    assert [each.created for each in invoices[1:]] == [start for start, _ in periods[1:]]
    assert len({each.number for each in invoices}) == 13


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (1769860800, 1, 1772280000),  # 31 January 12:00 → 28 February 12:00
        (1769860800, 2, 1774958400),  # → 31 March
        (1830168000, 1, 1832846400),  # 30 December 2027 12:00 → 30 January
        (1706616000, 1, 1709208000),  # 30 January 2024 12:00 → 29 February
    ],
)  # fmt: skip
def test_months_end_on_the_anchors_day_or_the_months_last(start: int, months: int, end: int) -> None:
    assert add_months(start, months) == end


@pytest.mark.parametrize(
    ("after", "status"), [("cancel", "canceled"), ("unpaid", "unpaid"), ("past_due", "past_due")]
)
def test_a_failed_renewal_is_tried_again_and_then_given_up(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl, after: str, status: str
) -> None:
    stripe_stand_in.settings(after_retries=after, retry_days=[1, 3])
    bought = subscribe()
    stripe_stand_in.use_card(str(bought.customer), "declined")
    stripe_stand_in.move_to(period_of(bought)[1] + 3600)
    invoice = newest_invoice(client, bought.id)
    assert (invoice.status, invoice.attempt_count) == ("open", 1)
    assert invoice.next_payment_attempt == period_of(bought)[1] + 3600 + DAY
    assert client.v1.subscriptions.retrieve(bought.id).status == "past_due"
    happened = stripe_stand_in.advance(days=4)
    assert kinds(happened).count("invoice.payment_failed") == 2
    told = client.v1.subscriptions.retrieve(bought.id)
    assert told.status == status
    assert newest_invoice(client, bought.id).next_payment_attempt is None
    if status == "canceled":
        assert told.cancellation_details
        assert told.cancellation_details.reason == "payment_failed"
        assert told.ended_at


def test_a_customer_pays_a_failed_renewal(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    stripe_stand_in.use_card(str(bought.customer), "3ds")
    happened = stripe_stand_in.move_to(period_of(bought)[1] + 3600)
    assert {"invoice.payment_action_required", "invoice.payment_failed"} <= set(kinds(happened))
    invoice = newest_invoice(client, bought.id)
    stripe_stand_in.pay_invoice(invoice.id, "visa")
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    assert client.v1.subscriptions.retrieve(bought.id).status == "active"
    assert "invoice.payment_failed" not in kinds(stripe_stand_in.advance(days=10))
    assert [each["net"] for each in stripe_stand_in.ledger()] == [2999, 2999]


def test_a_paid_invoice_is_not_voided(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    stripe_stand_in.use_card(str(bought.customer), "declined")
    stripe_stand_in.move_to(period_of(bought)[1] + 3600)
    invoice = newest_invoice(client, bought.id).id
    stripe_stand_in.pay_invoice(invoice, "visa")
    with pytest.raises(stripe.InvalidRequestError, match="is paid"):
        client.v1.invoices.void_invoice(invoice)


def test_the_end_of_the_period_is_chosen_and_unchosen(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    told = stripe_stand_in.cancel_subscription(bought.id, at_period_end=True)
    assert (told["cancel_at"], told["cancel_at_period_end"], told["status"]) == (
        period_of(bought)[1],
        True,
        "active",
    )
    again = client.v1.subscriptions.update(bought.id, {"cancel_at": ""})
    assert (again.cancel_at, again.canceled_at, again.cancel_at_period_end) == (None, None, False)
    stripe_stand_in.cancel_subscription(bought.id, at_period_end=True)
    happened = stripe_stand_in.move_to(period_of(bought)[1])
    assert kinds(happened) == ["customer.subscription.deleted"]
    ended = client.v1.subscriptions.retrieve(bought.id)
    assert (ended.status, ended.ended_at) == ("canceled", period_of(bought)[1])
    assert len(list_invoices(client, bought.id)) == 1
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        client.v1.subscriptions.update(bought.id, {"cancel_at": ""})


def test_a_day_is_chosen_for_the_end(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    chosen = period_of(bought)[0] + 10 * DAY
    told = client.v1.subscriptions.update(bought.id, {"cancel_at": chosen, "proration_behavior": "none"})
    assert (told.cancel_at, told.cancel_at_period_end) == (chosen, False)
    stripe_stand_in.move_to(chosen)
    assert client.v1.subscriptions.retrieve(bought.id).ended_at == chosen


def test_a_last_period_that_ends_early_costs_its_part(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    end = period_of(bought)[1]
    client.v1.subscriptions.update(bought.id, {"cancel_at": end + 5 * DAY})
    stripe_stand_in.move_to(end + 3600)
    whole = add_months(period_of(bought)[0], 2) - end
    assert newest_invoice(client, bought.id).amount_paid == round(2999 * 5 * DAY / whole)
    stripe_stand_in.advance(days=6)
    assert client.v1.subscriptions.retrieve(bought.id).status == "canceled"


def test_an_end_now_gives_nothing_back(client: stripe.StripeClient, subscribe: Subscribe) -> None:
    bought = subscribe()
    told = client.v1.subscriptions.cancel(bought.id, {"prorate": False, "invoice_now": False})
    assert (told.status, len(list_invoices(client, bought.id))) == ("canceled", 1)
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        client.v1.subscriptions.cancel(bought.id)


def test_a_credit_beyond_an_invoice_is_left_for_the_next(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    client.v1.invoice_items.create({"customer": str(bought.customer), "amount": -3500, "currency": "eur"})
    for paid, balance in ((0, -501), (2498, 0)):
        stripe_stand_in.move_to(period_of(client.v1.subscriptions.retrieve(bought.id))[1] + 7200)
        assert newest_invoice(client, bought.id).amount_paid == paid
        (customer,) = stripe_stand_in.objects("customer")
        assert customer["balance"] == balance


def test_an_invoice_item_is_on_the_next_invoice_only(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought, other = subscribe(), subscribe()
    made = client.v1.invoice_items.create(
        {"customer": str(bought.customer), "amount": -300, "currency": "eur", "subscription": bought.id}
    )
    gone = client.v1.invoice_items.create({"customer": str(bought.customer), "amount": -1, "currency": "eur"})
    client.v1.invoice_items.delete(gone.id)
    for amount in (2699, 2999):
        stripe_stand_in.move_to(period_of(client.v1.subscriptions.retrieve(bought.id))[1] + 7200)
        assert newest_invoice(client, bought.id).amount_paid == amount
        assert newest_invoice(client, other.id).amount_paid == 2999
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoice_items.delete(made.id)


def test_a_coupon_lowers_the_first_invoice_only(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    coupon = client.v1.coupons.create({"amount_off": 1000, "currency": "eur", "duration": "once"})
    session = checkout(MONTH, customer_email="a@example.org", discounts=[{"coupon": coupon.id}])
    stripe_stand_in.pay(session.id)
    bought = str(client.v1.checkout.sessions.retrieve(session.id).subscription)
    stripe_stand_in.advance(days=32)
    assert [each.amount_paid for each in list_invoices(client, bought)] == [2999, 1999]


def test_a_deleted_customer_keeps_no_details_and_no_subscription(
    client: stripe.StripeClient, subscribe: Subscribe, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    customer = str(bought.customer)
    assert client.v1.customers.delete(customer).deleted
    assert stripe_stand_in.objects("customer") == [{"id": customer, "object": "customer", "deleted": True}]
    assert client.v1.subscriptions.retrieve(bought.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.delete(customer)


@pytest.mark.parametrize(
    "params",
    [
        {"cancel_at": 1},
        {"cancel_at": "soon"},
        {"cancel_at_period_end": True},
        {"cancel_at": 4102444800, "proration_behavior": "create_prorations"},
        {"items": [{"price": MONTH}]},
        {"default_payment_method": "pm_none"},
    ],
)
def test_what_stripe_refuses_is_refused(
    client: stripe.StripeClient, subscribe: Subscribe, params: Any
) -> None:
    bought = subscribe()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.update(bought.id, params)
    assert client.v1.subscriptions.retrieve(bought.id).cancel_at is None
