"""The customer portal: change the card, cancel at the end of the period, see invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from deploy.sandbox.stripe.cards import CARDS, find_card
from deploy.sandbox.stripe.pages.page import find_object, go_to, read_form, show_page
from deploy.sandbox.stripe.resources.customers import find_customer
from deploy.sandbox.stripe.resources.payment_methods import card_of, set_default_card
from deploy.sandbox.stripe.resources.subscriptions import end_when_due, item_of

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.stand_in import Stripe


async def show_portal(stand_in: Stripe, request: web.Request) -> web.Response:
    """Show a customer's subscriptions, card and invoices."""
    account, portal = stand_in.account, find_object(stand_in, request, "billing_portal.session")
    customer = account.find("customer", portal["customer"])
    usual = customer.get("invoice_settings", {}).get("default_payment_method")
    subscriptions = account.where("subscription", customer=portal["customer"])[::-1]
    chosen = usual or next((each["default_payment_method"] for each in subscriptions), None)
    method = account.get("payment_method", chosen)
    return show_page(
        "portal",
        portal=portal,
        subscriptions=subscriptions,
        names={each["id"]: each["name"] for each in account.all("product")},
        card=card_of(method) if method else None,
        cards=list(CARDS.values()),
        invoices=account.where("invoice", customer=portal["customer"])[::-1],
        path=f"/p/session/{portal['id']}",
    )


async def submit_portal(stand_in: Stripe, request: web.Request) -> web.Response:
    """Change the card, or when the subscription ends."""
    account, portal = stand_in.account, find_object(stand_in, request, "billing_portal.session")
    form = await read_form(request)
    if form.get("action") == "card":
        customer = find_customer(account, portal["customer"])
        set_default_card(account, customer, find_card(form.get("card", "")))
    else:
        _change_end(account, portal["customer"], form)
    return go_to(f"/p/session/{portal['id']}")


def _change_end(account: Account, customer: str, form: dict[str, str]) -> None:
    subscription = account.get("subscription", form.get("subscription"))
    if subscription is None or subscription["customer"] != customer:
        raise web.HTTPNotFound(text="no such subscription of this customer")
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        return
    values: Json = {"cancel_at": None, "cancel_at_period_end": False, "canceled_at": None}
    if form.get("action") == "cancel":
        end = item_of(subscription)["current_period_end"]
        values = {"cancel_at": end, "cancel_at_period_end": True, "canceled_at": account.clock.now()}
        account.clock.add_due(end, lambda: end_when_due(account, subscription))
    account.change(subscription, "customer.subscription.updated", **values)
