"""Stripe's own SDK, pointed at the stand-in; and shop, which buys by it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from deploy.sandbox.control_client import StripeControl

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
