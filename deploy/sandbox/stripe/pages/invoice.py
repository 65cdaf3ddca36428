"""The hosted page of an invoice: its lines, and a card to pay it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.sandbox.stripe.cards import CARDS, find_card
from deploy.sandbox.stripe.pages.page import find_object, go_to, read_form, show_page
from deploy.sandbox.stripe.resources.collection import collect_invoice
from deploy.sandbox.stripe.resources.customers import find_customer
from deploy.sandbox.stripe.resources.invoices import intent_of
from deploy.sandbox.stripe.resources.payment_methods import set_default_card

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.stripe.stand_in import Stripe

_DECLINED = "Votre carte a été refusée. Essayez-en une autre."


async def show_invoice(stand_in: Stripe, request: web.Request) -> web.Response:
    """Show an invoice."""
    invoice = find_object(stand_in, request, "invoice")
    error = _DECLINED if "declined" in request.query and invoice["status"] == "open" else None
    path = f"/i/{invoice['id']}"
    return show_page("invoice", invoice=invoice, cards=list(CARDS.values()), error=error, path=path)


async def submit_invoice(stand_in: Stripe, request: web.Request) -> web.Response:
    """Pay it by this card, which the subscription keeps."""
    account, invoice = stand_in.account, find_object(stand_in, request, "invoice")
    where = f"/i/{invoice['id']}"
    card = find_card((await read_form(request)).get("card", ""))
    if invoice["status"] == "open":
        set_default_card(account, find_customer(account, invoice["customer"]), card)
        collect_invoice(account, invoice, by_customer=True)
        intent = intent_of(account, invoice)
        if intent is not None and intent["status"] == "requires_action":
            return go_to(f"/3ds/{intent['id']}")
        if invoice["status"] == "open":
            where += "?declined=1"
    return go_to(where)
