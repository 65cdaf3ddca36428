"""Calls of the API: keys, versions, parameters, idempotency, errors as Stripe answers them."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from deploy.sandbox.stripe.control_client import StripeControl
from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.form_fields import decode_fields
from tests.deploy.sandbox.stripe.conftest import WEEK, Checkout, make_client

DAY = 86_400


def answer_headers(made: Any) -> Any:
    return made.last_response.headers


@pytest.mark.parametrize("key", ["sk_0123456789", "pk_test_0123456789", "rubbish"])
def test_a_wrong_key_is_401(stripe_stand_in: StripeControl, key: str) -> None:
    client = make_client(stripe_stand_in.url, key)
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        client.v1.prices.list()


@pytest.mark.parametrize(("key", "is_live"), [("sk_test_tests", False), ("rk_live_tests", True)])
def test_events_are_of_the_mode_of_the_key(
    stripe_stand_in: StripeControl, key: str, *, is_live: bool
) -> None:
    make_client(stripe_stand_in.url, key).v1.customers.create({"email": "x@example.org"})
    (made,) = stripe_stand_in.take_deliveries()
    assert json.loads(made.body)["livemode"] is is_live


def test_the_version_is_the_sdks_own_and_echoed(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    assert answer_headers(client.v1.prices.list())["Stripe-Version"] == stripe.api_version
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version: 2020-08-27"):
        client.v1.prices.list(options={"stripe_version": "2020-08-27"})
    versions = [each["api_version"] for each in stripe_stand_in.requests("/v1/prices")]
    assert versions == [stripe.api_version, "2020-08-27"]


@pytest.mark.parametrize(
    ("call", "code", "param"),
    [
        (lambda v1: v1.customers.create({"colour": "red"}), "parameter_unknown", "colour"),
        (lambda v1: v1.customers.retrieve("cus_none"), "resource_missing", "id"),
        (lambda v1: v1.refunds.create({"charge": "ch_none"}), "resource_missing", "charge"),
        (lambda v1: v1.refunds.create({"charge": "c", "amount": "much"}), "resource_missing", "charge"),
        (lambda v1: v1.checkout.sessions.create({"mode": "payment"}), "parameter_missing", "success_url"),
        (lambda v1: v1.checkout.sessions.create({"success_url": "http://x"}), "parameter_missing", "mode"),
        (lambda v1: v1.prices.list({"limit": 0}), "parameter_invalid_integer", "limit"),
        (lambda v1: v1.prices.list({"limit": "ten"}), "parameter_invalid_integer", "limit"),
        (lambda v1: v1.prices.list({"limit": 101}), None, "limit"),
        (lambda v1: v1.invoices.list({"starting_after": "in_none"}), "resource_missing", "starting_after"),
        (lambda v1: v1.customers.create({"metadata": {"x": "y" * 501}}), None, "metadata[x]"),
        (lambda v1: v1.customers.create({"email": "nobody"}), "email_invalid", "email"),
        (lambda v1: v1.prices.list({"expand": ["data.currency"]}), None, "expand"),
        (lambda v1: v1.balance.retrieve(), None, None),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(
    client: stripe.StripeClient, call: Any, code: str | None, param: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        call(client.v1)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.http_status in {400, 404}
    assert caught.value.request_id


def test_a_key_gets_its_first_answer_again(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    params: Any = {"email": "a@example.org", "metadata": {"user": "1"}}
    first, again = (client.v1.customers.create(params, {"idempotency_key": "user-1"}) for _ in range(2))
    assert first.id == again.id
    assert "Idempotent-Replayed" not in answer_headers(first)
    assert answer_headers(again)["Idempotent-Replayed"] == "true"
    assert answer_headers(again)["Original-Request"] == answer_headers(first)["Request-Id"]
    assert len(stripe_stand_in.objects("customer")) == 1
    assert [each["replayed"] for each in stripe_stand_in.requests("/v1/customers")] == [False, True]


def test_a_key_with_other_parameters_is_refused(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"email": "a@example.org"}, {"idempotency_key": "user-1"})
    with pytest.raises(stripe.IdempotencyError, match="user-1"):
        client.v1.customers.create({"email": "b@example.org"}, {"idempotency_key": "user-1"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.coupons.create({"percent_off": 10}, {"idempotency_key": "user-1"})


def test_a_refused_call_leaves_its_key_free(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"email": "nobody"}, {"idempotency_key": "user-1"})
    assert client.v1.customers.create({"email": "a@example.org"}, {"idempotency_key": "user-1"}).id


def test_a_key_is_forgotten_after_a_day(client: stripe.StripeClient, stripe_stand_in: StripeControl) -> None:
    made = []
    for _ in range(3):
        made.append(client.v1.customers.create({}, {"idempotency_key": "user-1"}).id)
        stripe_stand_in.advance(seconds=DAY / 2)
    assert made[0] == made[1] != made[2]


def test_a_key_is_held_while_its_call_is_answered(
    stripe_stand_in: StripeControl, client: stripe.StripeClient
) -> None:
    stripe_stand_in.mode("slow", seconds=0.5, count=1)

    def create(_: int) -> str:
        try:
            return client.v1.customers.create({}, {"idempotency_key": "user-1"}).id
        except stripe.StripeError as error:
            return f"{error.http_status} {error.error and error.error.code}"

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(create, range(2)))
    assert told[0] == "409 idempotency_key_in_use" or told[0] == told[1]
    assert len(stripe_stand_in.objects("customer")) == 1


def test_events_name_the_call_that_caused_them(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    made = client.v1.customers.create({}, {"idempotency_key": "user-1"})
    (event,) = client.v1.events.list({"type": "customer.*"}).data
    assert (event.type, event.data.object["id"], event.livemode) == ("customer.created", made.id, False)
    assert event.request
    assert (event.request.id, event.request.idempotency_key) == (answer_headers(made)["Request-Id"], "user-1")
    assert event.api_version == stripe.api_version
    stripe_stand_in.settings(endpoint_version="2024-06-20")
    client.v1.customers.create({})
    assert client.v1.events.list({"limit": 1}).data[0].api_version == "2024-06-20"


def test_every_call_is_listed(checkout: Checkout, stripe_stand_in: StripeControl) -> None:
    checkout(WEEK, key="payment-7", metadata={"payment": "7"})
    (asked,) = stripe_stand_in.requests()
    assert (asked["method"], asked["path"], asked["status"]) == ("POST", "/v1/checkout/sessions", 200)
    assert asked["idempotency_key"] == "payment-7"
    assert asked["parameters"]["line_items"] == [{"price": WEEK, "quantity": "1"}]


@pytest.mark.parametrize(
    ("encoded", "decoded"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[x][y]=1&a[x][z]=2", {"a": {"x": {"y": "1", "z": "2"}}}),
        ("a[0][x]=1&a[1][x]=2", {"a": [{"x": "1"}, {"x": "2"}]}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("a[10]=x&a[2]=y", {"a": {"10": "x", "2": "y"}}),
        ("a%5Bx%5D=%C3%A9", {"a": {"x": "é"}}),
    ],
)
def test_bracketed_names_become_objects_and_lists(encoded: str, decoded: object) -> None:
    assert decode_fields(encoded) == decoded


@pytest.mark.parametrize("encoded", ["a[=1", "a]b=1", "a=1&a[x]=2", "a[x]=2&a=1", "a" + "[x]" * 50 + "=1"])
def test_names_that_mean_nothing_are_refused(encoded: str) -> None:
    with pytest.raises(StripeError):
        decode_fields(encoded)
