"""Operators' pages of Stripe's events: the list, and applying one again."""

import sqlalchemy as sa
from flask import Flask

from api.models.audit import AuditEntry
from api.models.base import session
from api.models.stripe_event import StripeEventFlag
from tests.api.payments.shop import Shop, list_grants
from tests.clients import Browser, seat_operator
from tests.factories import add_account, add_stripe_event, rows

LIST = "/admin/evenements-stripe"


def test_an_event_that_waits_is_applied_again(shop: Shop, app: Flask) -> None:
    buyer, admin = add_account(), seat_operator(app)
    order = shop.order(buyer.id)
    shop.control.pay(order.session_id)
    shop.control.mode("error_500", path="/v1/")
    shop.deliver()
    assert list_grants(buyer.id) == []
    shop.control.mode("normal")
    shop.clock.shift(60)
    page = admin.get(f"{LIST}?open=true")
    assert "En attente" in page.text
    links = [at["href"] for tag, at in page.tags if tag == "a" and at["href"].endswith("/rejeu")]
    assert links
    for link in links:
        page = admin.get(link)
        assert "relu chez Stripe" in page.text
        admin.send(link)
        assert "est appliqué de nouveau" in admin.follow().text
    shop.work()
    assert len(list_grants(buyer.id)) == 1
    assert "Aucun événement ne correspond." in admin.get(f"{LIST}?open=true").text
    replays = [each for each in rows(AuditEntry) if each.action == "stripe-event.replay"]
    assert len(replays) == len(links)


def test_what_nothing_applies_says_so(admin: Browser) -> None:
    add_stripe_event("evt_other", type="account.updated", flag=StripeEventFlag.UNKNOWN_TYPE)
    page = admin.get(f"{LIST}?flag=unknown_type")
    assert "Sorte inconnue" in page.text
    assert "rejeu" not in page.html
    admin.get(f"{LIST}/evt_other/rejeu")
    page = admin.send("/rejeu")
    assert admin.status == 422
    assert "seulement gardés" in page.text


def test_what_is_no_event_is_not_found(admin: Browser) -> None:
    add_stripe_event("evt_nothing", object_id=None)
    for name in ("evt_nothing", "evt_never", "%00", "x" * 300, "%ff", "a%20b"):
        admin.get(f"{LIST}/{name}/rejeu")
        assert admin.status == 404, name


def test_events_have_pages_and_filters(admin: Browser) -> None:
    with session() as s:
        s.execute(
            sa.text(
                "INSERT INTO stripe_events (id, type, created_at, received_at, object_id) "
                "SELECT 'evt_' || n, 'charge.refunded', now(), now(), 'ch_' || n FROM generate_series(1, 10000) n"
            )
        )
    seen: set[str] = set()
    page = admin.get(LIST)
    for _ in range(3):
        shown = {at["href"] for tag, at in page.tags if tag == "a" and at["href"].endswith("/rejeu")}
        assert len(shown) == 50
        assert not shown & seen
        seen |= shown
        (following,) = (at["href"] for _, at in page.tags if at.get("rel") == "next")
        page = admin.get(following)
    page = admin.get(f"{LIST}?objectId=ch_77&type=charge.refunded&open=false")
    assert page.html.count("/rejeu") == 1
    admin.get(f"{LIST}?open=perhaps&flag=x")
    assert admin.page.title.startswith("Erreur")


def test_support_reads_and_applies_nothing(support: Browser) -> None:
    add_stripe_event()
    page = support.get(LIST)
    assert "refund.created" in page.text
    assert "rejeu" not in page.html
    support.get(f"{LIST}/evt_1/rejeu")
    assert support.status == 403
    token = support.get(LIST).find_form("/logout")["fields"]["csrf_token"]
    answer = support.client.post(f"{LIST}/evt_1/rejeu", data={"csrf_token": token}, headers=support.headers)
    assert answer.status_code == 403
    assert not [each for each in rows(AuditEntry) if each.action == "stripe-event.replay"]


def test_without_its_token_the_form_is_refused(admin: Browser) -> None:
    add_stripe_event()
    assert admin.client.post(f"{LIST}/evt_1/rejeu", headers=admin.headers).status_code == 403
