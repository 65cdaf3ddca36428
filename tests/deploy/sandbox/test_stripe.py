"""Contract of Stripe's stand-in: what it refuses and answers once, and its names, as Stripe's own library meets it.

A laxer stand-in would let a fault with money pass. That the money adds up is in tests/model.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from deploy.sandbox.stripe.objects import blank, read_shapes
from tests.in_turn import in_turn
from tests.sandbox_controls import StripeControl

Checkout = Callable[..., stripe.checkout.Session]
OK, NO = "http://127.0.0.1:4000/ok?session={CHECKOUT_SESSION_ID}", "http://127.0.0.1:4000/no"
WEEK, MONTH = "price_sandbox_7j", "price_sandbox_total"


def make_client(url: str, key: str = "sk_test_tests", seconds: float = 10) -> stripe.StripeClient:
    """Return a client as the product makes it, without retries of its own; it waits for an answer for `seconds`."""
    http = stripe.RequestsClient(timeout=(3, seconds))
    return stripe.StripeClient(key, base_addresses={"api": url}, http_client=http, max_network_retries=0)


@pytest.fixture
def client(stripe_stand_in: StripeControl) -> Iterator[stripe.StripeClient]:
    made = make_client(stripe_stand_in.url)
    yield made
    made._requestor._client.close()  # type: ignore[union-attr]


@pytest.fixture
def checkout(client: stripe.StripeClient) -> Checkout:
    """Give a function that opens a Checkout Session for one price, with whatever else it is given."""

    def create(price: str = WEEK, key: str | None = None, **more: Any) -> stripe.checkout.Session:
        mode: Any = "subscription" if price == MONTH else "payment"
        params: Any = {
            "mode": mode,
            "success_url": OK,
            "cancel_url": NO,
            "line_items": [{"price": price, "quantity": 1}],
        } | more
        return client.v1.checkout.sessions.create(params, {"idempotency_key": key} if key else {})

    return create


@pytest.fixture
def subscribe(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> Callable[[], stripe.Subscription]:
    """Give a function that buys the monthly plan as a new customer."""

    def buy() -> stripe.Subscription:
        told: Any = {
            "customer_email": "camille@example.org",
            "subscription_data": {"metadata": {"payment": "7"}},
        }
        session = checkout(MONTH, **told)
        assert stripe_stand_in.pay(session.id)["error"] is None
        paid = client.v1.checkout.sessions.retrieve(session.id)
        return client.v1.subscriptions.retrieve(str(paid.subscription))

    return buy


OFF: Any = {"amount_off": 100, "currency": "eur"}
DATA = {"currency": "eur", "unit_amount": 1499, "product_data": {"name": "URGENCE 7J"}}
OWN_KEY: Any = {"idempotency_key": "user-1"}


def test_the_key_and_the_version_must_be_right(
    stripe_stand_in: StripeControl, client: stripe.StripeClient
) -> None:
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        make_client(stripe_stand_in.url, "pk_test_0123456789").v1.events.list()
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version: 2020-08-27"):
        client.v1.events.list(options={"stripe_version": "2020-08-27"})


@in_turn(
    "call, code, param",
    [
        (lambda v1: v1.coupons.create({"colour": "red"}), "parameter_unknown", "colour"),
        (lambda v1: v1.customers.delete("cus_none"), "resource_missing", "id"),
        (lambda v1: v1.refunds.create({"payment_intent": "pi_none"}), "resource_missing", "payment_intent"),
        (lambda v1: v1.checkout.sessions.create({"mode": "payment"}), "parameter_missing", "success_url"),
        (lambda v1: v1.events.list({"limit": 101}), None, "limit"),
        (lambda v1: v1.coupons.create(OFF | {"metadata": {"x": "y" * 501}}), None, "metadata[x]"),
        (lambda v1: v1.coupons.create(OFF | {"amount_off": 0}), "parameter_invalid_integer", "amount_off"),
        (lambda v1: v1.events.list({"expand": ["data.type"]}), None, "expand"),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(
    client: stripe.StripeClient, call: Any, code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(client.v1)
    assert (caught.value.code, caught.value.param) == (code, param)


@in_turn(
    "more, said",
    [
        ({"discounts": [{"coupon": "c"}], "allow_promotion_codes": True}, "only specify one of these parameters"),
        ({"customer": "c", "customer_email": "a@example.org"}, "only specify one of these parameters"),
        ({"customer_email": "nobody"}, "Invalid email address"),
        ({"mode": "subscription"}, "at least one recurring price"),
        ({"line_items": [{"price": MONTH, "quantity": 1}]}, "passed a recurring price"),
        ({"subscription_data": {"metadata": {"a": "b"}}}, "can not pass `subscription_data`"),
        ({"line_items": [{"price": WEEK}]}, "Missing required param: line_items.0..quantity"),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "No such price"),
        ({"line_items": [{"price_data": DATA | {"unit_amount": 49}, "quantity": 1}]}, "at least €0.50"),
        ({"payment_method_types": ["card"]}, "unknown parameter: payment_method_types"),
    ],
)  # fmt: skip
def test_a_session_of_the_wrong_shape_is_refused(
    checkout: Checkout, stripe_stand_in: StripeControl, more: Any, said: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=said):
        checkout(**more)
    assert stripe_stand_in.objects("checkout.session") == []


@in_turn(
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
def test_a_change_of_a_subscription_that_stripe_refuses_is_refused(
    client: stripe.StripeClient, subscribe: Callable[[], stripe.Subscription], params: Any
) -> None:
    bought = subscribe()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.subscriptions.update(bought.id, params)
    assert client.v1.subscriptions.retrieve(bought.id).cancel_at is None


def test_a_key_gets_its_first_answer_again_for_a_day_and_for_the_same_parameters_only(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.coupons.create({}, OWN_KEY)  # refused, which leaves the key free
    made = []
    for _ in range(3):
        made.append(client.v1.coupons.create(OFF, OWN_KEY).id)
        stripe_stand_in.advance(hours=12)
    assert made[0] == made[1] != made[2]
    with pytest.raises(stripe.IdempotencyError, match="user-1"):
        client.v1.coupons.create(OFF | {"name": "b"}, OWN_KEY)
    replayed = []
    for _ in range(2):  # a refusal is kept too, once the call was begun
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.refunds.create({"payment_intent": "pi_none"}, {"idempotency_key": "user-2"})
        replayed.append("Idempotent-Replayed" in (caught.value.headers or {}))
    assert replayed == [False, True]


def test_a_key_is_held_while_its_call_is_answered(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.mode("slow", seconds=0.5, count=1)

    def create(_: int) -> str:
        try:
            return client.v1.coupons.create(OFF, OWN_KEY).id
        except stripe.StripeError as error:
            return f"{error.http_status} {error.error and error.error.code}"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(create, range(2)))
    assert told[0] == "409 idempotency_key_in_use" or told[0] == told[1]
    coupons = stripe_stand_in.objects("coupon")
    assert len([each for each in coupons if each["amount_off"]]) == 1  # it begins with one of 10 %


def test_no_two_calls_change_one_object_at_once(
    client: stripe.StripeClient, subscribe: Callable[[], stripe.Subscription], stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    stripe_stand_in.mode("slow", seconds=0.5, count=1)

    def change(at: int) -> str:
        try:
            end: Any = {"cancel_at": int(bought.items.data[0].current_period_end) + at}
            return str(client.v1.subscriptions.update(bought.id, end).status)
        except stripe.StripeError as error:
            return f"{error.http_status} {error.error and error.error.code}"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, range(2))) == ["429 lock_timeout", "active"]


def test_a_session_is_paid_once_until_it_expires_and_not_by_a_declined_card(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    early, session = checkout(expires_at=int(stripe_stand_in.state()["clock"]) + 1900).id, checkout().id
    assert stripe_stand_in.pay(session, card="declined")["error"]["code"] == "card_declined"
    assert stripe_stand_in.pay(session, card="3ds", authenticate="fail")["error"]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: stripe_stand_in.pay(session), range(16)))
    assert {each["session"]["payment_status"] for each in told} == {"paid"}
    stripe_stand_in.advance(hours=1)
    assert client.v1.checkout.sessions.retrieve(early).status == "expired"
    assert stripe_stand_in.pay(early)["error"]["code"] == "checkout_session_expired"
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        client.v1.checkout.sessions.expire(early)
    assert [each["captured"] for each in stripe_stand_in.ledger()] == [1499]


def test_a_coupon_is_taken_off_and_used_up(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    coupon = client.v1.coupons.create({"amount_off": 499, "currency": "eur", "max_redemptions": 1})
    one, two = (checkout(discounts=[{"coupon": coupon.id}]) for _ in range(2))
    assert stripe_stand_in.pay(one.id)["error"] is None
    assert stripe_stand_in.pay(two.id)["error"]["code"] == "coupon_expired"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        checkout(discounts=[{"coupon": coupon.id}])
    assert caught.value.code == "coupon_expired"
    assert [each["captured"] for each in stripe_stand_in.ledger()] == [1000]


def test_an_event_that_is_listed_says_what_it_leaves_out(
    client: stripe.StripeClient,
    subscribe: Callable[[], stripe.Subscription],
    stripe_stand_in: StripeControl,
) -> None:
    bought = subscribe()
    for _ in range(10):
        client.v1.invoice_items.create({"customer": str(bought.customer), "amount": 100, "currency": "eur"})
    stripe_stand_in.renew(bought.id)
    listed = client.v1.events.list({"limit": 100}).data
    made = next(each for each in listed if each.type == "invoice.created")
    lines = made.data.object["lines"]
    assert (len(lines["data"]), lines["has_more"]) == (10, True)


@pytest.fixture
def intent(client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl) -> str:
    """Give the payment intent of a paid session of 14.99 €."""
    session = checkout().id
    stripe_stand_in.pay(session)
    return str(client.v1.checkout.sessions.retrieve(session).payment_intent)


def test_refunds_are_limited_by_what_is_left(
    client: stripe.StripeClient, intent: str, stripe_stand_in: StripeControl
) -> None:
    def refund(_: int) -> bool:
        try:
            return bool(client.v1.refunds.create({"payment_intent": intent, "amount": 100}))
        except stripe.InvalidRequestError:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(refund, range(20))) == 14
    with pytest.raises(stripe.InvalidRequestError, match=r"€1\.00.*€0\.99") as caught:
        client.v1.refunds.create({"payment_intent": intent, "amount": 100})
    assert caught.value.param == "amount"
    rest = client.v1.refunds.create({"payment_intent": intent})
    assert rest.amount == 99
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"payment_intent": intent, "amount": 1})
    assert again.value.code == "charge_already_refunded"
    stripe_stand_in.settle_refund(rest.id, "failed")
    assert client.v1.refunds.create({"payment_intent": intent}).amount == 99


def test_what_was_not_paid_or_is_disputed_is_not_refunded(
    client: stripe.StripeClient, checkout: Checkout, intent: str, stripe_stand_in: StripeControl
) -> None:
    declined = checkout().id
    stripe_stand_in.pay(declined, card="declined")
    unpaid = str(client.v1.checkout.sessions.retrieve(declined).payment_intent)
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        client.v1.refunds.create({"payment_intent": unpaid})
    stripe_stand_in.dispute(intent)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": intent})
    assert caught.value.code == "refund_disputed_payment"


def read_moved(client: stripe.StripeClient) -> list[tuple[str, int]]:
    """Return what the account's ledger has, the oldest first: types and cents."""
    return [(each.type, each.amount) for each in client.v1.balance_transactions.list().data][::-1]


def test_each_movement_of_money_is_in_the_ledger(
    client: stripe.StripeClient, intent: str, stripe_stand_in: StripeControl
) -> None:
    moved = [("charge", 1499)]
    stripe_stand_in.choose(refunds_begin="refused")
    with pytest.raises(stripe.InvalidRequestError, match="Insufficient funds"):
        client.v1.refunds.create({"payment_intent": intent})
    for how, end, more in [
        ("short", "canceled", []),
        ("short", "succeeded", [-100]),
        ("pending", "failed", [-100, 100]),
    ]:
        stripe_stand_in.choose(refunds_begin=how)
        refund = client.v1.refunds.create({"payment_intent": intent, "amount": 100})
        assert refund.status == "pending"
        stripe_stand_in.settle_refund(refund.id, end)
        moved += [("refund_failure" if cents > 0 else "refund", cents) for cents in more]
    assert read_moved(client) == moved
    dispute = stripe_stand_in.dispute(intent, amount=1560, inquiry=True)["id"]
    assert read_moved(client) == moved
    stripe_stand_in.escalate_inquiry(dispute)
    stripe_stand_in.close_dispute(dispute, "won")
    assert read_moved(client) == [*moved, ("adjustment", -1560), ("adjustment", 1560)]
    assert [each.amount for each in client.v1.disputes.retrieve(dispute).balance_transactions] == [
        -1560,
        1560,
    ]


# Its objects carry the names that the SDK's classes of this version have.


CLASSES: dict[str, Any] = {
    "product": stripe.Product, "price": stripe.Price, "customer": stripe.Customer,
    "coupon": stripe.Coupon, "promotion_code": stripe.PromotionCode,
    "checkout.session": stripe.checkout.Session, "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge, "refund": stripe.Refund, "dispute": stripe.Dispute,
    "balance_transaction": stripe.BalanceTransaction,
    "subscription": stripe.Subscription, "subscription_item": stripe.SubscriptionItem,
    "invoice": stripe.Invoice, "invoice_payment": stripe.InvoicePayment,
    "line_item": stripe.InvoiceLineItem, "invoiceitem": stripe.InvoiceItem,
    "payment_method": stripe.PaymentMethod, "billing_portal.session": stripe.billing_portal.Session,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning, "item": stripe.LineItem,
}  # fmt: skip


def test_no_field_is_invented() -> None:
    for kind in read_shapes():
        ours = {name for name in blank(kind) if not name.startswith("_")}
        # The SDK leaves `livemode` out where an object has none.
        assert ours - set(CLASSES[kind].__annotations__) <= {"livemode"}, kind
