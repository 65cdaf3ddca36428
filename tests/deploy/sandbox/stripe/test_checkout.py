"""Checkout Sessions: what they take, how they are paid, declined, abandoned and expire."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from deploy.sandbox.stripe.control_client import StripeControl
from tests.deploy.sandbox.stripe.conftest import MONTH, WEEK, Checkout

DATA = {"currency": "eur", "unit_amount": 1499, "product_data": {"name": "URGENCE 7J"}}


def types(stripe_stand_in: StripeControl) -> list[str]:
    return [each.type for each in stripe_stand_in.take_deliveries()]


def intent_of(client: stripe.StripeClient, session: str) -> stripe.PaymentIntent:
    told = client.v1.checkout.sessions.retrieve(session, {"expand": ["payment_intent.latest_charge"]})
    assert isinstance(told.payment_intent, stripe.PaymentIntent)
    return told.payment_intent


@pytest.mark.parametrize("item", [{"price": WEEK}, {"price_data": DATA}])
def test_a_payment_completes_the_session(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl, item: Any
) -> None:
    made = checkout(
        line_items=[{**item, "quantity": 1}],
        metadata={"payment": "7"},
        payment_intent_data={"metadata": {"payment": "7"}},
        client_reference_id="7",
    )
    assert (made.amount_total, made.currency, made.status, made.payment_status) == (
        1499,
        "eur",
        "open",
        "unpaid",
    )
    assert made.payment_intent is None
    assert made.url
    assert made.url.startswith(stripe_stand_in.url)
    stripe_stand_in.pay(made.id, email="camille@example.org")
    told = client.v1.checkout.sessions.retrieve(made.id)
    assert (told.status, told.payment_status, told.url) == ("complete", "paid", None)
    assert told.customer_details
    assert told.customer_details.email == "camille@example.org"
    assert told.metadata
    assert told.metadata.to_dict() == {"payment": "7"}
    intent = intent_of(client, made.id)
    assert (intent.status, intent.amount_received, intent.metadata["payment"]) == ("succeeded", 1499, "7")
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert (intent.latest_charge.paid, intent.latest_charge.amount_captured) == (True, 1499)
    assert types(stripe_stand_in) == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed",
    ]  # fmt: skip


def test_a_declined_card_leaves_the_session_open(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    session = checkout().id
    error = stripe_stand_in.pay(session, card="insufficient_funds")["error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    intent = intent_of(client, session)
    assert intent.status == "requires_payment_method"
    assert intent.last_payment_error
    assert intent.last_payment_error.decline_code == "insufficient_funds"
    assert stripe_stand_in.pay(session)["session"]["status"] == "complete"
    assert intent_of(client, session).id == intent.id
    charges = stripe_stand_in.objects("charge")
    assert sorted(each["status"] for each in charges) == ["failed", "succeeded"]


def test_3d_secure_is_passed_failed_or_left(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    session = checkout().id
    stripe_stand_in.pay(session, card="3ds", authenticate="leave")
    assert intent_of(client, session).status == "requires_action"
    assert (
        stripe_stand_in.pay(session, card="3ds", authenticate="fail")["error"]["code"]
        == "authentication_required"
    )
    assert intent_of(client, session).status == "requires_payment_method"
    assert stripe_stand_in.pay(session, card="3ds")["session"]["payment_status"] == "paid"


def test_a_delayed_debit_is_paid_or_fails_later(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    def buy(card: str) -> str:
        made = checkout(allowed_payment_method_types=["card", "sepa_debit"])
        assert made.payment_method_types == ["card", "sepa_debit"]
        told = stripe_stand_in.pay(made.id, card=card)["session"]
        assert (told["status"], told["payment_status"]) == ("complete", "unpaid")
        return made.id

    paid, failed = buy("sepa"), buy("sepa_fails")
    types(stripe_stand_in)
    stripe_stand_in.settle(intent_of(client, paid).id)
    assert "checkout.session.async_payment_succeeded" in types(stripe_stand_in)
    stripe_stand_in.advance(days=3)
    assert "checkout.session.async_payment_failed" in types(stripe_stand_in)
    told = [client.v1.checkout.sessions.retrieve(each).payment_status for each in (paid, failed)]
    assert told == ["paid", "unpaid"]


def test_a_session_expires_by_the_clock_or_by_a_call(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    moment = int(stripe_stand_in.state()["clock"])
    early, late, called = checkout(expires_at=moment + 1900), checkout(), checkout()
    stripe_stand_in.pay(early.id, card="declined")
    assert late.expires_at - late.created == 86_400
    assert client.v1.checkout.sessions.expire(called.id).status == "expired"
    stripe_stand_in.advance(hours=1)
    told = {each.id: each.status for each in client.v1.checkout.sessions.list().data}
    assert told == {early.id: "expired", late.id: "open", called.id: "expired"}
    assert intent_of(client, early.id).status == "canceled"
    assert stripe_stand_in.pay(early.id)["error"]["code"] == "checkout_session_expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        client.v1.checkout.sessions.expire(early.id)
    for seconds in (60, 90_000):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            checkout(expires_at=moment + 3600 + seconds)
        assert caught.value.param == "expires_at"


def test_many_who_pay_one_session_pay_it_once(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    session = checkout().id
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: stripe_stand_in.pay(session), range(16)))
    assert {each["session"]["status"] for each in told} == {"complete"}
    assert len(stripe_stand_in.objects("charge")) == len(stripe_stand_in.ledger()) == 1


def test_a_coupon_is_taken_off_and_used_up(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    coupon = client.v1.coupons.create(
        {"amount_off": 499, "currency": "eur", "duration": "once", "max_redemptions": 1, "name": "Avoir"}
    )
    one, two = (checkout(discounts=[{"coupon": coupon.id}]) for _ in range(2))
    assert (one.amount_subtotal, one.amount_total) == (1499, 1000)
    assert one.total_details
    assert one.total_details.amount_discount == 499
    assert one.discounts
    assert one.discounts[0].coupon == coupon.id
    assert stripe_stand_in.pay(one.id)["error"] is None
    assert stripe_stand_in.pay(two.id)["error"]["code"] == "coupon_expired"
    (kept,) = (each for each in stripe_stand_in.objects("coupon") if each["id"] == coupon.id)
    assert not kept["valid"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        checkout(discounts=[{"coupon": coupon.id}])
    assert caught.value.code == "coupon_expired"
    assert [each["captured"] for each in stripe_stand_in.ledger()] == [1000]


def test_a_promotion_code_is_typed_at_checkout(checkout: Checkout, stripe_stand_in: StripeControl) -> None:
    stripe_stand_in.add_promotion_code("ETE", amount_off=500)
    session = checkout(allow_promotion_codes=True).id
    assert stripe_stand_in.pay(session, promotion_code="NEIGE")["error"]["code"] == "promotion_code_invalid"
    told = stripe_stand_in.pay(session, promotion_code="ete")["session"]
    assert (told["amount_total"], told["status"]) == (999, "complete")
    assert told["discounts"][0]["promotion_code"].startswith("promo_")
    assert stripe_stand_in.pay(checkout().id, promotion_code="ETE")["error"] is not None


def test_a_session_with_nothing_to_pay_takes_no_money(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    coupon = client.v1.coupons.create({"percent_off": 100, "duration": "once"})
    made = checkout(discounts=[{"coupon": coupon.id}])
    assert (made.amount_total, made.payment_status) == (0, "no_payment_required")
    assert stripe_stand_in.pay(made.id)["session"]["status"] == "complete"
    assert stripe_stand_in.ledger() == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"discounts": [{"coupon": "c"}], "allow_promotion_codes": True}, "only specify one of these parameters"),
        ({"customer": "cus_none"}, "No such customer"),
        ({"customer": "c", "customer_email": "a@example.org"}, "only specify one of these parameters"),
        ({"mode": "subscription"}, "at least one recurring price"),
        ({"line_items": [{"price": MONTH, "quantity": 1}]}, "passed a recurring price"),
        ({"subscription_data": {"metadata": {"a": "b"}}}, "can not pass `subscription_data`"),
        ({"line_items": []}, "Missing required param: line_items"),
        ({"line_items": [{"price": WEEK}]}, "Missing required param: line_items.0..quantity"),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "No such price"),
        ({"line_items": [{"quantity": 1}]}, "either `price` or `price_data`"),
        ({"line_items": [{"price_data": DATA | {"unit_amount": 49}, "quantity": 1}]}, "at least €0.50"),
        ({"line_items": [{"price_data": DATA | {"unit_amount": -5}, "quantity": 1}]}, "greater than or equal to 0"),
        ({"payment_method_types": ["card"]}, "unknown parameter: payment_method_types"),
        ({"allowed_payment_method_types": ["gold"]}, "Invalid payment method type"),
        ({"ui_mode": "embedded_page"}, "Invalid ui_mode"),
    ],
)  # fmt: skip
def test_what_stripe_refuses_is_refused(
    checkout: Checkout, stripe_stand_in: StripeControl, more: Any, said: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=said):
        checkout(**more)
    assert stripe_stand_in.objects("checkout.session") == []


def test_a_subscription_begins_when_it_is_paid(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    made = checkout(
        MONTH, customer_email="camille@example.org", subscription_data={"metadata": {"payment": "7"}}
    )
    assert made.subscription is None
    assert stripe_stand_in.pay(made.id, card="declined")["error"]
    assert stripe_stand_in.objects("subscription") == []
    stripe_stand_in.pay(made.id, card="3ds")
    told = client.v1.checkout.sessions.retrieve(made.id, {"expand": ["subscription", "invoice.payments"]})
    assert isinstance(told.subscription, stripe.Subscription)
    assert (told.subscription.status, told.subscription.metadata["payment"]) == ("active", "7")
    item = told.subscription["items"].data[0]
    assert 28 <= (item.current_period_end - item.current_period_start) / 86_400 <= 31
    assert isinstance(told.invoice, stripe.Invoice)
    assert (told.invoice.status, told.invoice.amount_paid, told.invoice.billing_reason) == (
        "paid",
        2999,
        "subscription_create",
    )
    assert told.invoice.parent
    assert told.invoice.parent.subscription_details
    assert told.invoice.parent.subscription_details.subscription == told.subscription.id
    assert told.invoice.payments
    intent = told.invoice.payments.data[0].payment.payment_intent
    assert client.v1.payment_intents.retrieve(str(intent)).amount_received == 2999
    found = client.v1.invoice_payments.list(
        {"payment": {"type": "payment_intent", "payment_intent": str(intent)}}
    )
    assert [each.invoice for each in found.data] == [told.invoice.id]
    kinds = types(stripe_stand_in)
    assert kinds[-1] == "checkout.session.completed"
    assert {"customer.created", "customer.subscription.created", "invoice.paid"} <= set(kinds)
