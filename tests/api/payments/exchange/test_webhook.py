"""Stripe's webhook: what it accepts and stores, that each object is applied once, whatever happens meanwhile; its keys."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from api.models.base import session
from api.models.payment import PaymentStatus
from api.models.stripe_event import StripeEvent, StripeEventFlag
from api.models.user import Role
from api.payments.exchange import jobs
from api.payments.exchange.events import claim_object, hold_claim
from api.payments.exchange.objects import OBJECT_TYPES
from api.payments.gateway.client import API_VERSION, call
from configs.ground.clock import clock
from tests.api.payments.shop import (
    WEBHOOK,
    Shop,
    get_payment,
    list_grants,
    list_messages,
    list_open_events,
    take_nudges,
)
from tests.clients import Person
from tests.factories import give_role, rows
from tests.sandbox_controls import Delivery
from tests.waiting import at_once


def event(**changes: Any) -> bytes:
    """Return an event as Stripe writes one."""
    whole = {
        "id": "evt_1",
        "object": "event",
        "api_version": API_VERSION,
        "created": int(clock().timestamp()),
        "livemode": False,
        "type": "checkout.session.completed",
        "data": {"object": {"id": "cs_1", "object": "checkout.session"}},
    }
    return json.dumps(whole | changes).encode()


def paid(shop: Shop, camille: Person) -> Delivery:
    """Return the event of a session that was paid."""
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    return next(each for each in shop.control.take_deliveries() if each.type == "checkout.session.completed")


def test_old_and_future_signatures_are_refused(shop: Shop) -> None:
    for seconds in (-301, 301):
        at = int(clock().timestamp()) + seconds
        assert shop.post(event(), shop.control.sign(event(), at=at)) == 403
        near = shop.control.sign(event(), at=at - (seconds // 301))
        assert shop.post(event(), near) == 200


def about(**changes: Any) -> dict[str, Any]:
    """Return the change of an event whose object has these fields."""
    return {"data": {"object": {"id": "cs_1", "object": "checkout.session"} | changes}}


# No event, one of Stripe's other mode, or one that no table can hold.
RUBBISH: list[dict[str, Any]] = [
    {"id": ""}, {"id": 7}, {"id": "x" * 300}, {"id": "\0"}, {"id": "evt_\ud800"}, {"created": "now"}, {"created": 1 << 40},
    {"created": -1}, {"livemode": None}, {"livemode": True}, {"data": None}, {"data": {}}, {"object": "v2.core.event"},
    {"type": []}, {"type": "checkout.session.completed\n"}, {"api_version": {"a": 1}},
    about(id="cs_\0"), about(id="x" * 300), about(id=["cs_1"]), about(object="\0"), about(object=["checkout.session"]),
]  # fmt: skip


def test_signed_rubbish_and_the_other_mode_are_refused(shop: Shop) -> None:
    bodies = [b"", b"{", b"[]", b"[" * 5000, b"NaN", *(event(**each) for each in RUBBISH)]
    for body in bodies:
        assert shop.post(body, shop.control.sign(body)) == 400, body[:200]
    unsigned = {"Stripe-Signature": f"t={int(clock().timestamp())},v1=00"}
    assert shop.post(b"\xff", unsigned) == 403
    assert rows(StripeEvent) == []


def test_what_is_not_applied_is_stored_and_flagged_and_nothing_of_what_it_said(shop: Shop) -> None:
    for number, changes in enumerate(
        (
            about(customer_email="a@example.org") | {"type": "account.updated"},
            {"data": {"object": {"object": "balance"}}},
        )
    ):
        body = event(id=f"evt_{number}", **changes, api_version="2019-01-01")
        assert shop.post(body, shop.control.sign(body)) == 200
    stored = {(each.flag, each.api_version) for each in rows(StripeEvent)}
    assert (stored, len(rows(StripeEvent))) == ({(StripeEventFlag.UNKNOWN_TYPE, "2019-01-01")}, 2)
    assert shop.work() == 0
    with session() as s:
        assert "example.org" not in str(s.execute(sa.text("SELECT * FROM stripe_events")).all())


def test_six_identical_calls_store_and_apply_it_once(shop: Shop, camille: Person) -> None:
    delivery = paid(shop, camille)
    sent: dict[str, Any] = {"data": delivery.body, "headers": delivery.headers}
    answers = at_once(lambda _: shop.client.application.test_client().post(WEBHOOK, **sent), range(6))
    assert {each.status_code for each in answers} == {200}
    assert shop.work() == 1
    assert len(list_grants(camille.id)) == 1
    assert list_messages() == ["order"]


@pytest.mark.parametrize("has_redis", [True, False])
def test_a_lost_nudge_is_made_up_by_the_sweep(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch, *, has_redis: bool
) -> None:
    def away(*_: object, **__: object) -> None:
        raise RedisConnectionError

    delivery = paid(shop, camille)
    with monkeypatch.context() as patch:
        if not has_redis:
            patch.setattr("api.ground.background_nudges.redis", away)
        assert shop.post(delivery.body, delivery.headers) == 200
    assert len(take_nudges()) == has_redis
    jobs.work_off()
    assert list_grants(camille.id) == []  # it may still come
    shop.clock.shift(timedelta(seconds=6))
    jobs.work_off()
    assert len(list_grants(camille.id)) == 1


def test_two_runs_for_one_object_never_overlap(shop: Shop, camille: Person) -> None:
    delivery = paid(shop, camille)
    shop.post(delivery.body, delivery.headers)
    object_id = json.loads(delivery.body)["data"]["object"]["id"]
    with session() as s:
        old = claim_object(s, object_id)
    with session() as s:
        assert claim_object(s, object_id) is None
    shop.work()
    assert list_grants(camille.id) == []
    shop.clock.shift(timedelta(seconds=61))
    with session() as s:
        new = claim_object(s, object_id)
    assert old
    assert new
    with session() as s, pytest.raises(Exception, match=object_id):
        hold_claim(s, old)  # an answer that took longer than its lease is not applied
    with session() as s:
        hold_claim(s, new)
    # its worker died: the sweep takes it over once the lease is over
    shop.clock.shift(timedelta(seconds=61))
    jobs.work_off()
    assert len(list_grants(camille.id)) == 1


def test_an_event_that_comes_meanwhile_asks_for_another_run(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that was read first is older than what the second event is about."""
    order = shop.order(camille.id)
    kind = OBJECT_TYPES["checkout_session"]
    runs: list[str | None] = []

    def fetch(object_id: str) -> Any:
        found = kind.fetch(object_id)
        runs.append(found.status)
        if len(runs) == 1:
            shop.control.pay(order.session_id)
            for each in shop.control.take_deliveries():
                shop.post(each.body, each.headers)
        return found

    monkeypatch.setitem(OBJECT_TYPES, "checkout_session", replace(kind, fetch=fetch))
    body = event(data={"object": {"id": order.session_id, "object": "checkout.session"}})
    shop.post(body, shop.control.sign(body))
    shop.work()
    assert runs == ["open", "complete"]
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED


def test_while_stripe_is_away_events_wait(shop: Shop, camille: Person) -> None:
    for number, mode in enumerate(("half_answer", "unauthorized")):
        delivery = paid(shop, camille)
        shop.control.mode(mode)
        shop.deliver([delivery])
        for _ in range(2):
            shop.clock.shift(timedelta(seconds=70))
            jobs.work_off()
        assert len(list_grants(camille.id)) == number
        shop.control.mode("normal")
        shop.clock.shift(timedelta(seconds=70))
        jobs.work_off()
        assert len(list_grants(camille.id)) == number + 1


def test_an_event_that_cannot_be_applied_is_tried_for_three_days_then_told(
    shop: Shop, camille: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_role(camille.id, Role.ADMIN)
    delivery = paid(shop, camille)

    def fail(object_id: str) -> Any:
        raise ValueError(object_id)

    kind = OBJECT_TYPES["checkout_session"]
    monkeypatch.setitem(OBJECT_TYPES, "checkout_session", replace(kind, fetch=fail))
    with capture_logs():
        shop.deliver([delivery])
        begun = clock()
        (tried,) = rows(StripeEvent)
        assert tried.next_attempt_at, (tried.type, tried.flag, tried.error, tried.applied_at)
        while list_open_events():
            shop.clock.shift(timedelta(hours=12))
            jobs.work_off()
    assert timedelta(days=2) < clock() - begun <= timedelta(days=3, hours=1)
    (stored,) = rows(StripeEvent)
    assert (stored.flag, stored.error) == (StripeEventFlag.GAVE_UP, "ValueError")
    assert list_messages() == ["payment_trouble"]
    monkeypatch.undo()


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


def test_one_right_signature_among_several_is_enough_and_none_or_rubbish_is_refused(shop: Shop) -> None:
    right = sign(shop, event()).partition(",")[2]
    moment = int(clock().timestamp())
    for header in (
        f"t={moment},v1=00,{right}",
        f"t={moment},{right},v1=00",
        f"v0=00,t={moment},{right},v2=x",
    ):
        assert shop.post(event(), {"Stripe-Signature": header}) == 200, header
    refused = (right, f"t={moment},v0={right[3:]}", f"t={moment},v1={right[3:].upper()}", f"t={moment}")
    rubbish = (
        "",
        "t=1",
        "v1=aa",
        "t=,v1=aa",
        "t=" + "9" * 99,
        "t=\u00b2,v1=aa",
        "t=-1,v1=aa",
        "x",
        "t=1,v1=\u00e9",
    )
    for header in (*refused, *rubbish):
        assert shop.post(event(), {"Stripe-Signature": header}) == 403, header


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


def test_an_old_event_is_applied_as_things_are_now_beside_one_of_a_type_that_nothing_applies(
    shop: Shop, camille: Person
) -> None:
    order = shop.order(camille.id)
    shop.control.pay(order.session_id)
    old = {"created": 1, "api_version": "2015-10-16"}
    for name, kind in (("evt_a", "checkout.renamed"), ("evt_b", "checkout.session.completed")):
        body = event(id=name, type=kind, **about(id=order.session_id), **old)
        shop.post(body, shop.control.sign(body))
    shop.work()
    assert get_payment(order.payment_id).status is PaymentStatus.COMPLETED
    assert {each["api_version"] for each in shop.control.requests("/v1/")} == {API_VERSION}


Put = Callable[..., None]
# Stripe signs with both secrets until the old one expires: https://docs.stripe.com/webhooks#roll-endpoint-secrets
SECRETS = ("whsec_old", "whsec_new,whsec_old", "whsec_new")


def sign_event(shop: Shop, *secrets: str) -> dict[str, str]:
    """Return the header of an event that is signed with each of these secrets."""
    at = int(clock().timestamp())
    signed = [shop.control.sign(event(), at=at, secret=each)["Stripe-Signature"] for each in secrets]
    return {"Stripe-Signature": ",".join([f"t={at}", *(each.partition(",")[2] for each in signed)])}


def test_every_program_takes_an_event_while_the_webhook_s_secret_is_rolled(
    shop: Shop, camille: Person, settings_env: Put
) -> None:
    """Where the old secret ends at once, Stripe repeats what a program refuses, for three days."""
    both = sign_event(shop, "whsec_new", "whsec_old")
    for secrets in SECRETS:
        settings_env(STRIPE_WEBHOOK_SECRET=secrets)
        assert shop.post(event(), both) == 200, secrets
    assert shop.post(event(), sign_event(shop, "whsec_new")) == 200
    assert shop.post(event(), sign_event(shop, "whsec_old")) == 403
    delivery = paid(shop, camille)
    settings_env(STRIPE_WEBHOOK_SECRET="whsec_old")
    assert shop.post(delivery.body, delivery.headers) == 403
    settings_env(STRIPE_WEBHOOK_SECRET="whsec_tests,whsec_old")
    shop.deliver([delivery])
    assert len(list_grants(camille.id)) == 1
