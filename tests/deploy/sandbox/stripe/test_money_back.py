"""Refunds, disputes and fraud warnings; and the ledger that adds them up."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.stripe.control_client import StripeControl
from tests.deploy.sandbox.stripe.conftest import Checkout


@pytest.fixture
def paid(client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl) -> str:
    """Give the payment intent of a paid session of 14.99 €."""
    session = checkout().id
    stripe_stand_in.pay(session)
    stripe_stand_in.take_deliveries()
    return str(client.v1.checkout.sessions.retrieve(session).payment_intent)


def charge_of(client: stripe.StripeClient, intent: str) -> stripe.Charge:
    told = client.v1.payment_intents.retrieve(intent, {"expand": ["latest_charge"]}).latest_charge
    assert isinstance(told, stripe.Charge)
    return told


def test_refunds_are_limited_by_what_is_left(
    client: stripe.StripeClient, paid: str, stripe_stand_in: StripeControl
) -> None:
    first = client.v1.refunds.create(
        {"payment_intent": paid, "amount": 500, "reason": "requested_by_customer"}
    )
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 500, paid)
    assert not charge_of(client, paid).refunded
    with pytest.raises(stripe.InvalidRequestError, match=r"€10\.00.*€9\.99") as caught:
        client.v1.refunds.create({"payment_intent": paid, "amount": 1000})
    assert caught.value.param == "amount"
    rest = client.v1.refunds.create({"charge": str(first.charge)})
    assert rest.amount == 999
    assert charge_of(client, paid).refunded
    with pytest.raises(stripe.InvalidRequestError) as again:
        client.v1.refunds.create({"payment_intent": paid, "amount": 1})
    assert again.value.code == "charge_already_refunded"
    assert [each.id for each in client.v1.refunds.list({"payment_intent": paid}).data] == [rest.id, first.id]
    kinds = [each.type for each in stripe_stand_in.take_deliveries()]
    assert kinds == ["refund.created", "charge.refunded"] * 2


def test_many_refunds_at_once_never_exceed_the_charge(
    client: stripe.StripeClient, paid: str, stripe_stand_in: StripeControl
) -> None:
    def refund(_: int) -> bool:
        try:
            return bool(client.v1.refunds.create({"payment_intent": paid, "amount": 100}))
        except stripe.InvalidRequestError:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(refund, range(20))) == 14
    (line,) = stripe_stand_in.ledger()
    assert (line["captured"], line["refunded"], line["net"]) == (1499, 1400, 99)


def test_a_refund_that_comes_back_can_be_made_again(
    client: stripe.StripeClient, paid: str, stripe_stand_in: StripeControl
) -> None:
    refund = client.v1.refunds.create({"payment_intent": paid})
    assert stripe_stand_in.fail_refund(refund.id)["status"] == "failed"
    assert client.v1.refunds.retrieve(refund.id).failure_reason == "expired_or_canceled_card"
    assert charge_of(client, paid).amount_refunded == 0
    assert client.v1.refunds.create({"payment_intent": paid}).amount == 1499
    assert "refund.failed" in [each.type for each in stripe_stand_in.take_deliveries()]


def test_a_refund_may_take_its_time(
    client: stripe.StripeClient, paid: str, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.settings(refund_status="pending")
    refund = client.v1.refunds.create({"payment_intent": paid})
    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    stripe_stand_in.settle_refund(refund.id)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_the_dashboard_refunds_too(
    client: stripe.StripeClient, paid: str, stripe_stand_in: StripeControl
) -> None:
    refund = stripe_stand_in.refund(paid, 200)
    assert client.v1.refunds.retrieve(refund["id"]).amount == 200
    (event,) = client.v1.events.list({"types": ["charge.refunded"]}).data
    assert event.request
    assert event.request.id is None


@pytest.mark.parametrize(("status", "net"), [("won", 1299), ("lost", 0)])
def test_a_dispute_is_won_or_lost(
    client: stripe.StripeClient, paid: str, stripe_stand_in: StripeControl, status: str, net: int
) -> None:
    client.v1.refunds.create({"payment_intent": paid, "amount": 200})
    stripe_stand_in.take_deliveries()
    dispute = stripe_stand_in.dispute(paid)
    assert (dispute["amount"], dispute["status"]) == (1299, "needs_response")
    assert stripe_stand_in.ledger()[0]["net"] == 0
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": paid})
    assert caught.value.code == "refund_disputed_payment"
    stripe_stand_in.close_dispute(dispute["id"], status)
    assert client.v1.disputes.retrieve(dispute["id"]).status == status
    assert charge_of(client, paid).disputed
    assert stripe_stand_in.ledger()[0]["net"] == net
    kinds = [each.type for each in stripe_stand_in.take_deliveries()]
    assert kinds[:3] == ["charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"]
    assert ("charge.dispute.funds_reinstated" in kinds) == (status == "won")
    with pytest.raises(Refusal, match=f"already {status}"):
        stripe_stand_in.close_dispute(dispute["id"], "won")


def test_some_cards_are_disputed_or_warned_of_by_themselves(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    for card in ("dispute", "fraud_warning"):
        stripe_stand_in.pay(checkout().id, card=card)
    (warning,) = stripe_stand_in.objects("radar.early_fraud_warning")
    assert warning["actionable"]
    assert client.v1.radar.early_fraud_warnings.retrieve(warning["id"]).charge == warning["charge"]
    assert len(stripe_stand_in.objects("dispute")) == 1
    assert "radar.early_fraud_warning.created" in [each.type for each in stripe_stand_in.take_deliveries()]


def test_what_was_not_paid_is_not_refunded(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    session = checkout().id
    stripe_stand_in.pay(session, card="declined")
    intent = str(client.v1.checkout.sessions.retrieve(session).payment_intent)
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        client.v1.refunds.create({"payment_intent": intent})
    with pytest.raises(Refusal):
        stripe_stand_in.dispute(intent)
