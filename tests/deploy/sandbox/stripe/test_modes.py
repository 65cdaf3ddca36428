"""Failure modes of the API, as the SDK meets them."""

from typing import Any

import pytest
import stripe

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.running import Running
from deploy.sandbox.stripe.control_client import StripeControl
from tests.waiting import until


@pytest.fixture
def hasty(stripe_stand_in: StripeControl) -> Any:
    """Give a client that waits 0.3 s for an answer."""
    http = stripe.RequestsClient(timeout=(3, 0.3))
    made = stripe.StripeClient(
        "sk_test_tests", base_addresses={"api": stripe_stand_in.url}, http_client=http, max_network_retries=0
    )
    yield made
    http.close()  # type: ignore[no-untyped-call]


def create(client: stripe.StripeClient) -> stripe.Customer:
    return client.v1.customers.create({}, {"idempotency_key": "user-1"})


NOT_DONE = {
    "error_500": stripe.APIError,
    "rate_limited": stripe.RateLimitError,
    "unauthorized": stripe.AuthenticationError,
    "reset": stripe.APIConnectionError,
    "refuse": stripe.APIConnectionError,
    "timeout": stripe.APIConnectionError,
}
DONE = dict.fromkeys(("slow", "yes_without_answer", "reset_after", "half_answer"), stripe.APIConnectionError)


@pytest.mark.parametrize("mode", [*NOT_DONE, *DONE])
def test_each_mode_breaks_in_its_way_and_a_retry_does_it_once(
    hasty: stripe.StripeClient, sandbox: Running, stripe_stand_in: StripeControl, mode: str
) -> None:
    error, done = (DONE | NOT_DONE)[mode], mode in DONE
    sandbox.provider_mode("payment", mode)
    with pytest.raises(error):
        create(hasty)
    sandbox.provider_mode("payment", "normal")
    assert len(stripe_stand_in.objects("customer")) == done
    until(lambda: _created(hasty))
    assert len(stripe_stand_in.objects("customer")) == 1
    assert stripe_stand_in.requests("/v1/customers")[-1]["replayed"] == done


def _created(client: stripe.StripeClient) -> bool:
    """Whether the call is answered now: a slow one holds its key a moment longer."""
    try:
        return bool(create(client))
    except stripe.APIError as error:
        if error.http_status != 409:
            raise
        return False


def test_an_error_500_may_be_kept_under_its_key(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.mode("error_500", saved=1, count=1)
    for _ in range(2):
        with pytest.raises(stripe.APIError, match="told to break"):
            create(client)
    assert client.v1.customers.create({}).id


def test_a_mode_lasts_for_its_count_and_its_path(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.mode("error_500", count=2, path="POST /v1/customers")
    assert client.v1.customers.list().data == []
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            create(client)
    assert create(client).id
    assert [each["mode"] for each in stripe_stand_in.requests()] == [
        "normal",
        "error_500",
        "error_500",
        "normal",
    ]


def test_the_inbox_controls_it_too(sandbox: Running, visit: Any) -> None:
    answer = visit(sandbox.inbox).post("/api/providers/payment/mode", {"mode": "refuse"})
    assert answer.json["mode"] == "refuse"
    visit(sandbox.inbox).post("/api/providers/payment/mode", {"mode": "normal"})
    told = {one["channel"]: one for one in visit(sandbox.inbox).get("/api/state").json["providers"]}
    assert "reset_after" in told["payment"]["modes"]
    assert "reject_address" in told["email"]["modes"]
    assert told["payment"]["url"] == sandbox.stripe


def test_an_unknown_mode_is_refused(stripe_stand_in: StripeControl) -> None:
    with pytest.raises(Refusal, match="reject_address") as caught:
        stripe_stand_in.mode("reject_address")
    assert "half_answer" in caught.value.known
