"""The pages as a browser without JavaScript uses them: forms, links, redirects."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from deploy.sandbox.stripe.control_client import StripeControl
from tests.deploy.sandbox.stripe.conftest import NO, Checkout

Visit = Callable[[str | int], Any]
Subscribe = Callable[[], stripe.Subscription]


@pytest.fixture
def browser_tab(visit: Visit, stripe_stand_in: StripeControl) -> Any:
    """Give a visitor of the stand-in's pages."""
    return visit(stripe_stand_in.url)


def path_of(address: str | None) -> str:
    return re.sub(r"^http://[^/]+", "", str(address))


def text_of(page: Any) -> str:
    return html.unescape(re.sub(r"<[^>]+>|\s+", " ", page.text))


def test_an_order_is_shown_paid_and_left_behind(
    client: stripe.StripeClient, checkout: Checkout, browser_tab: Any, stripe_stand_in: StripeControl
) -> None:
    coupon = client.v1.coupons.create({"amount_off": 499, "currency": "eur", "name": "Avoir <b>"})
    session = checkout(discounts=[{"coupon": coupon.id}], customer_email="camille@example.org")
    path = path_of(session.url)
    page = browser_tab.get(path)
    assert page.status == 200
    assert all(word in text_of(page) for word in ("URGENCE 7J", "14,99 €", "4,99 €", "Avoir <b>", "10,00 €"))
    assert "camille@example.org" in page.text
    assert f'href="{NO}"' in page.text
    assert "<script" not in page.text
    answer = browser_tab.send(path, action="pay", email="camille@example.org", card="visa")
    assert (answer.status, answer.location) == (303, f"http://127.0.0.1:4000/ok?session={session.id}")
    again = browser_tab.send(path, action="pay", email="camille@example.org", card="visa")
    assert again.location == answer.location
    assert "Déjà payé" in text_of(browser_tab.get(path))
    assert len(stripe_stand_in.objects("charge")) == 1


def test_a_code_is_applied(checkout: Checkout, browser_tab: Any) -> None:
    path = path_of(checkout(allow_promotion_codes=True).url)
    assert browser_tab.send(path, action="code", promotion_code="NEIGE").status == 400
    assert "13,49 €" in text_of(browser_tab.send(path, action="code", promotion_code="bienvenue"))


def test_a_declined_card_can_be_replaced(
    client: stripe.StripeClient, checkout: Checkout, browser_tab: Any
) -> None:
    session = checkout()
    path = path_of(session.url)
    page = browser_tab.send(path, action="pay", email="a@example.org", card="declined")
    assert page.status == 402
    assert 'role="alert"' in page.text
    assert browser_tab.send(path, action="pay", email="a@example.org", card="visa").status == 303
    assert client.v1.checkout.sessions.retrieve(session.id).payment_status == "paid"


def test_3d_secure_is_a_page_of_its_own(
    client: stripe.StripeClient, checkout: Checkout, browser_tab: Any
) -> None:
    session = checkout()
    path = path_of(session.url)
    step = browser_tab.send(path, action="pay", email="a@example.org", card="3ds")
    assert step.status == 303
    assert "14,99 €" in text_of(browser_tab.get(step.location))
    refused = browser_tab.send(step.location, passed="no")
    assert refused.location == f"{path}?declined=1"
    assert 'role="alert"' in browser_tab.get(refused.location).text
    step = browser_tab.send(path, action="pay", email="a@example.org", card="3ds")
    done = browser_tab.send(step.location, passed="yes")
    assert done.location.endswith(f"ok?session={session.id}")
    assert "Rien à confirmer" in text_of(browser_tab.get(step.location))
    assert client.v1.checkout.sessions.retrieve(session.id).status == "complete"


def test_an_expired_session_says_so(
    client: stripe.StripeClient, checkout: Checkout, browser_tab: Any
) -> None:
    session = checkout()
    client.v1.checkout.sessions.expire(session.id)
    path = path_of(session.url)
    for page in (
        browser_tab.get(path),
        browser_tab.send(path, action="pay", card="visa", email="a@example.org"),
    ):
        assert page.status == 410
        assert "expiré" in text_of(page)


@pytest.mark.parametrize("path", ["/c/pay/cs_none", "/p/session/x", "/i/in_none", "/3ds/pi_none", "/nothing"])
def test_what_does_not_exist_is_404(browser_tab: Any, path: str) -> None:
    assert browser_tab.get(path).status == 404


def test_the_portal_changes_the_card_and_the_end(
    client: stripe.StripeClient, subscribe: Subscribe, browser_tab: Any, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    portal = client.v1.billing_portal.sessions.create({"customer": str(bought.customer), "return_url": NO})
    path = path_of(portal.url)
    page = text_of(browser_tab.get(path))
    assert all(word in page for word in ("URGENCE TOTAL", "29,99 €", "…4242", "Se renouvelle"))
    assert browser_tab.send(path, action="cancel", subscription=bought.id).location == path
    assert client.v1.subscriptions.retrieve(bought.id).cancel_at_period_end
    browser_tab.send(path, action="keep", subscription=bought.id)
    assert client.v1.subscriptions.retrieve(bought.id).cancel_at is None
    browser_tab.send(path, action="card", card="fails_later")
    assert "…0341" in text_of(browser_tab.get(path))
    stripe_stand_in.advance(days=32)
    assert client.v1.subscriptions.retrieve(bought.id).status == "past_due"


def test_a_portal_shows_no_other_customers_subscription(
    client: stripe.StripeClient, subscribe: Subscribe, browser_tab: Any
) -> None:
    mine, other = subscribe(), subscribe()
    path = path_of(client.v1.billing_portal.sessions.create({"customer": str(mine.customer)}).url)
    assert browser_tab.send(path, action="cancel", subscription=other.id).status == 404
    assert client.v1.subscriptions.retrieve(other.id).cancel_at is None


def test_a_failed_renewal_is_paid_on_the_invoices_page(
    client: stripe.StripeClient, subscribe: Subscribe, browser_tab: Any, stripe_stand_in: StripeControl
) -> None:
    bought = subscribe()
    stripe_stand_in.use_card(str(bought.customer), "declined")
    stripe_stand_in.advance(days=32)
    invoice = client.v1.invoices.list({"status": "open"}).data[0]
    path = path_of(invoice.hosted_invoice_url)
    assert "29,99 €" in text_of(browser_tab.get(path))
    assert browser_tab.send(path, card="declined").location == f"{path}?declined=1"
    step = browser_tab.send(path, card="3ds")
    assert browser_tab.send(step.location, passed="yes").location == path
    assert "Payée" in text_of(browser_tab.get(path))
    assert client.v1.subscriptions.retrieve(bought.id).status == "active"


def test_the_dashboard_lists_what_happened_and_acts(
    client: stripe.StripeClient,
    checkout: Checkout,
    subscribe: Subscribe,
    browser_tab: Any,
    stripe_stand_in: StripeControl,
) -> None:
    subscribe()
    session = checkout()
    stripe_stand_in.pay(session.id)
    intent = str(client.v1.checkout.sessions.retrieve(session.id).payment_intent)
    assert browser_tab.send(f"/act/payment_intents/{intent}/refund", amount="500").status == 303
    assert browser_tab.send(f"/act/payment_intents/{intent}/dispute").status == 303
    assert browser_tab.send(f"/act/payment_intents/{intent}/refund", amount="x").status == 422
    assert browser_tab.send("/act/nothing").status == 404
    before = stripe_stand_in.state()["clock"]
    browser_tab.send("/act/clock", advance="86400")
    assert stripe_stand_in.state()["clock"] >= before + 86_400
    page = text_of(browser_tab.get("/"))
    for word in (
        intent,
        "5,00 €",
        "9,99 €",
        "needs_response",
        "charge.dispute.created",
        "POST /v1/checkout/sessions",
    ):
        assert word in page
    assert client.v1.refunds.list({"payment_intent": intent}).data[0].amount == 500
