"""The control API: what it refuses, what it keeps apart, and a clock that tests freeze."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from time_machine import Traveller

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.running import Running
from deploy.sandbox.stripe.control_client import StripeControl
from deploy.sandbox.stripe.stand_in import Stripe
from deploy.sandbox.stripe.webhooks.endpoint import Endpoint
from tests.deploy.sandbox.stripe.conftest import Checkout, make_client


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("sessions/cs_none/pay", {}, 404),
        ("sessions/cs_none/pay", {"colour": "red"}, 422),
        ("customers/cus_none/card", {}, 404),
        ("payment_intents/pi_none/refund", {}, 404),
        ("clock", {"advance": -1}, 422),
        ("clock", {"to": 5}, 422),
        ("clock", {"advance": 10**12}, 422),
        ("settings", {"after_retries": "sue"}, 422),
        ("settings", {"retry_days": "soon"}, 422),
        ("webhook", {"mode": "pigeon"}, 422),
        ("webhook", {"secrets": []}, 422),
        ("webhook", {"retry_seconds": ["soon"]}, 422),
        ("webhook", {"seconds": -1}, 422),
        ("sign", {"body": "", "at": "now"}, 422),
        ("promotion_codes", {"code": "X"}, 422),
        ("deliveries/send", {"events": "all"}, 422),
        ("sign", {"body": "é"}, 422),
        ("mode", {}, 422),
        ("mode", {"mode": "error_500", "count": 0}, 422),
    ],
)
def test_a_wrong_control_says_what_is_wrong(
    visit: Any, stripe_stand_in: StripeControl, path: str, body: Any, status: int
) -> None:
    answer = visit(stripe_stand_in.url).post(f"/_control/{path}", body)
    assert (answer.status, bool(answer.json["error"])) == (status, True)


def test_a_card_is_named_or_numbered(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    with pytest.raises(Refusal, match="gold") as caught:
        stripe_stand_in.pay(checkout().id, card="gold")
    assert "3ds" in caught.value.known
    assert stripe_stand_in.pay(checkout().id, card="4000 0000 0000 0002")["error"]["code"] == "card_declined"


def test_a_reset_forgets_everything(client: stripe.StripeClient, stripe_stand_in: StripeControl) -> None:
    client.v1.customers.create({}, {"idempotency_key": "user-1"})
    stripe_stand_in.advance(days=40)
    stripe_stand_in.webhook(mode="lose")
    stripe_stand_in.reset()
    state = stripe_stand_in.state()
    assert (state["webhook"]["mode"], state["calls"], "customer" in state["objects"]) == ("normal", 0, False)
    assert abs(state["clock"] - datetime.now(UTC).timestamp()) < 30
    assert (stripe_stand_in.requests(), stripe_stand_in.deliveries()) == ([], [])
    assert len(client.v1.prices.list().data) == 3


def test_a_reset_sends_events_where_the_sandbox_was_started_to_send_them() -> None:
    made = Stripe(Endpoint("http://127.0.0.1:9/hook", ["whsec_a"]))
    made.webhooks.endpoint.url = "http://127.0.0.1:9/other"
    asyncio.run(made.reset())
    assert made.webhooks.endpoint == Endpoint("http://127.0.0.1:9/hook", ["whsec_a"])


def test_a_frozen_clock_freezes_the_stand_in_too(
    frozen: Traveller, client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    moment = int(datetime.now(UTC).timestamp())
    stripe_stand_in.reset()
    assert client.v1.customers.create({}).created == moment
    frozen.shift(60)
    assert client.v1.customers.create({}).created == moment + 60
    assert stripe_stand_in.advance(seconds=5)["now"] == moment + 65


def test_the_environment_points_at_it(
    stripe_stand_in: StripeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    client = make_client(os.environ["STRIPE_BASE_URL"], os.environ["STRIPE_SECRET_KEY"])
    assert len(client.v1.prices.list().data) == 3
    assert os.environ["STRIPE_WEBHOOK_SECRET"] == stripe_stand_in.state()["webhook"]["secrets"][0]
    client._requestor._client.close()  # type: ignore[union-attr]


def test_its_address_is_its_own(sandbox: Running) -> None:
    assert sandbox.stripe.startswith("http://127.78.0.4:")
    assert sandbox.stripe not in {sandbox.sendgrid, sandbox.twilio, sandbox.telegram}
