"""Webhook calls that Stripe would not make: each is refused or stored, none is lost, none ends in an internal error."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from api.models.base import session
from api.models.payment import Payment, PaymentStatus
from api.models.stripe_event import StripeEvent, StripeEventFlag
from api.payments import jobs
from api.payments.client import call
from api.payments.ledger import link_id
from configs.ground.clock import clock
from configs.world.plan import PlanName
from tests.api.payments.shop import Shop, get_payment, list_grants, list_open_events
from tests.api.payments.test_webhook import about, event
from tests.clients import Person
from tests.factories import rows


def sign(shop: Shop, body: bytes, secret: str | None = None) -> str:
    return shop.control.sign(body, secret=secret)["Stripe-Signature"]


def test_deep_and_long_bodies_are_refused_or_stored(shop: Shop) -> None:
    deep = event().replace(b'"cs_1"', b'"cs_1", "x": ' + b"[" * 20_000 + b"]" * 20_000)
    assert shop.post(deep, shop.control.sign(deep)) == 400
    wide = event(**about(metadata={f"key {number}": "v" * 500 for number in range(1500)}))
    assert len(wide) > 750_000
    assert shop.post(wide, shop.control.sign(wide)) == 200
    digits = event().replace(b'"cs_1"', b'"cs_1", "x": ' + b"9" * 5000)
    assert shop.post(digits, shop.control.sign(digits)) == 400
    assert [each.object_id for each in rows(StripeEvent)] == ["cs_1"]


def test_one_right_signature_among_several_is_enough(shop: Shop) -> None:
    right = sign(shop, event()).partition(",")[2]
    moment = int(clock().timestamp())
    for header in (
        f"t={moment},v1=00,{right}",
        f"t={moment},{right},v1=00",
        f"v0=00,t={moment},{right},v2=x",
    ):
        assert shop.post(event(), {"Stripe-Signature": header}) == 200, header
    for header in (right, f"t={moment},v0={right[3:]}", f"t={moment},v1={right[3:].upper()}", f"t={moment}"):
        assert shop.post(event(), {"Stripe-Signature": header}) == 403, header


def test_an_old_event_is_stored_and_applied_as_things_are_now(shop: Shop, camille: Person) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    body = event(**about(id=order.session_id), created=1, api_version="2015-10-16")
    shop.post(body, shop.control.sign(body))
    shop.work()
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED


def test_an_object_that_names_another_s_payment_changes_nothing(shop: Shop, camille: Person) -> None:
    """Metadata is text that any holder of our key may write: it never takes an order from its own session."""
    order = shop.order(camille.id)
    for named in (str(order.payment_id), str(uuid4()), "x" * 500, ""):
        shop.control.pay(open_session(named))
    shop.deliver()
    shop.clock.shift(60)
    jobs.work_off()
    assert get_payment(order.payment_id).status is PaymentStatus.PENDING
    assert list_grants(camille.id) == []
    waiting = {each.flag for each in list_open_events() if each.type == "checkout.session.completed"}
    assert waiting == {None, StripeEventFlag.UNKNOWN_OWNER}
    shop.control.pay(order.session_id)
    shop.deliver()
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED


def open_session(payment: str) -> str:
    price = {"currency": "eur", "unit_amount": 100, "product_data": {"name": "another's"}}
    metadata = {"payment": payment} | {f"more {number}": "v" * 500 for number in range(40)}
    params: Any = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "metadata": metadata,
        "success_url": "https://example.org",
    }
    return call(lambda c: c.v1.checkout.sessions.create(params)).id


def test_without_a_key_events_are_stored_and_wait(
    shop: Shop, camille: Person, settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    deliveries = shop.control.take_deliveries()
    monkeypatch.delenv("STRIPE_SECRET_KEY")
    settings_env()
    shop.deliver(deliveries)
    assert {each.error for each in list_open_events()} == {"StripeAway"}
    settings_env(STRIPE_SECRET_KEY="sk_test_tests")
    shop.work_off()
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED


def test_an_event_of_a_type_that_nothing_applies_does_not_block_its_object(
    shop: Shop, camille: Person
) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    for name, kind in (("evt_a", "checkout.session.renamed"), ("evt_b", "checkout.session.completed")):
        body = event(id=name, type=kind, **about(id=order.session_id))
        shop.post(body, shop.control.sign(body))
    shop.work()
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED


def test_ids_of_two_objects_never_end_at_one_payment(shop: Shop, camille: Person) -> None:
    first, second = shop.order(camille.id), shop.order(camille.id, PlanName.URGENCE_24H)
    with session() as s, pytest.raises(Exception, match=second.session_id):
        link_id(s, second.session_id, "checkout.session", s.get_one(Payment, first.payment_id))
