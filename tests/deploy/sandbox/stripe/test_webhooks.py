"""Webhooks: signed as the SDK verifies them, and repeated, lost, late, reordered or retried."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe

from deploy.sandbox.stripe.control_client import StripeControl
from tests.deploy.sandbox.stripe.conftest import Checkout
from tests.waiting import until

SECRET = "whsec_tests"


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook endpoint: keeps each body, and refuses the next ``refusals`` calls."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[bytes, dict[str, str]]] = []
        self.refusals = 0
        self.url = f"http://127.0.0.1:{self.server_port}/hook"

    def types(self) -> list[str]:
        return [stripe.Event.construct_from(_read(body), None).type for body, _ in self.got]


def _read(body: bytes) -> Any:
    import json

    return json.loads(body)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        if not refused:
            self.server.got.append((body, dict(self.headers)))
        self.send_response(500 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def buy(checkout: Checkout, stripe_stand_in: StripeControl) -> Callable[[], None]:
    """Give a function that pays once, which makes four events."""

    def pay() -> None:
        stripe_stand_in.pay(checkout().id)

    return pay


def test_what_waits_is_taken_once_and_signed(buy: Callable[[], None], stripe_stand_in: StripeControl) -> None:
    buy()
    taken = stripe_stand_in.take_deliveries()
    assert len(taken) == 4
    for each in taken:
        event = stripe.Webhook.construct_event(each.body, each.headers["Stripe-Signature"], SECRET)
        assert (event.id, event.type) == (each.id, each.type)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(each.body + b" ", each.headers["Stripe-Signature"], SECRET)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(each.body, each.headers["Stripe-Signature"], "whsec_other")
    assert stripe_stand_in.take_deliveries() == []
    stripe_stand_in.send([taken[0].id])
    assert [each.id for each in stripe_stand_in.take_deliveries()] == [taken[0].id]


def test_several_secrets_sign(buy: Callable[[], None], stripe_stand_in: StripeControl) -> None:
    stripe_stand_in.webhook(secrets=["whsec_new", "whsec_old"])
    buy()
    each = stripe_stand_in.take_deliveries()[0]
    for secret in ("whsec_new", "whsec_old"):
        assert stripe.Webhook.construct_event(each.body, each.headers["Stripe-Signature"], secret).id


def test_anything_is_signed_at_any_moment(stripe_stand_in: StripeControl) -> None:
    body = b'{"object": "event", "id": "evt_\xc3\xa9"}'
    signature = stripe_stand_in.sign(body, at=int(time.time()) - 600)["Stripe-Signature"]
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.Webhook.construct_event(body, signature, SECRET)
    assert stripe.Webhook.construct_event(body, signature, SECRET, tolerance=1000).id == "evt_é"
    assert stripe_stand_in.sign(body, secret="whsec_x") != stripe_stand_in.sign(body)


def test_events_are_posted_as_they_happen(
    buy: Callable[[], None], receiver: Receiver, client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.webhook(url=receiver.url)
    buy()
    until(lambda: len(receiver.got) == 4)
    for body, headers in receiver.got:
        assert stripe.Webhook.construct_event(body, headers["Stripe-Signature"], SECRET).livemode is False
    until(lambda: {each["status"] for each in stripe_stand_in.deliveries()} == {"delivered"})
    assert client.v1.events.list({"delivery_success": False}).data == []


def test_what_is_refused_is_sent_again(
    buy: Callable[[], None], receiver: Receiver, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.webhook(url=receiver.url, retry_seconds=[0.05, 0.05])
    receiver.refusals = 6
    buy()
    until(lambda: len(receiver.got) == 4)
    until(lambda: {each["status"] for each in stripe_stand_in.deliveries()} == {"delivered"})
    outcomes = sorted(one["outcome"] for each in stripe_stand_in.deliveries() for one in each["attempts"])
    assert outcomes == ["200"] * 4 + ["500"] * 6
    receiver.refusals = 100
    buy()
    until(lambda: [each["status"] for each in stripe_stand_in.deliveries()][4:] == ["given_up"] * 4)
    receiver.refusals = 0
    stripe_stand_in.send()
    until(lambda: len(receiver.got) == 8)


def test_an_endpoint_that_is_away_is_tried_again(
    buy: Callable[[], None], stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.webhook(url="http://127.0.0.1:9/hook", retry_seconds=[])
    buy()
    until(lambda: {each["status"] for each in stripe_stand_in.deliveries()} == {"given_up"})


def test_repeated_lost_and_held(
    buy: Callable[[], None], receiver: Receiver, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.webhook(url=receiver.url, mode="repeat", times=3)
    buy()
    until(lambda: len(receiver.got) == 12)
    for mode, status in (("lose", "lost"), ("hold", "held")):
        stripe_stand_in.webhook(mode=mode)
        buy()
        assert [each["status"] for each in stripe_stand_in.deliveries()][-4:] == [status] * 4
    stripe_stand_in.send()
    until(lambda: len(receiver.got) == 20)


def test_late_and_reordered(
    buy: Callable[[], None], receiver: Receiver, stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.webhook(url=receiver.url, mode="reorder", times=4)
    buy()
    until(lambda: len(receiver.got) == 4)
    assert receiver.types()[0] == "checkout.session.completed"
    assert receiver.types()[-1] == "payment_intent.created"
    stripe_stand_in.webhook(mode="delay", seconds=0.2)
    buy()
    assert len(receiver.got) == 4
    until(lambda: len(receiver.got) == 8)


def test_only_what_the_endpoint_wants_is_sent(
    buy: Callable[[], None], stripe_stand_in: StripeControl
) -> None:
    stripe_stand_in.webhook(enabled_events=["checkout.session.completed"])
    buy()
    assert [each.type for each in stripe_stand_in.take_deliveries()] == ["checkout.session.completed"]
