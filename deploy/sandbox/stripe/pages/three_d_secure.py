"""The bank's page of 3-D Secure: confirm or refuse; closing it leaves the payment undecided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.pages.checkout import success_url
from deploy.sandbox.stripe.pages.page import find_object, go_to, read_form, show_message, show_page
from deploy.sandbox.stripe.resources.checkout_payment import authenticate_session
from deploy.sandbox.stripe.resources.collection import authenticate_invoice

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.stand_in import Stripe


async def show_step(stand_in: Stripe, request: web.Request) -> web.Response:
    """Ask for confirmation."""
    intent = find_object(stand_in, request, "payment_intent")
    if intent["status"] != "requires_action":
        return show_message("Rien à confirmer", "Ce paiement n’attend aucune confirmation.")
    return show_page("three_d_secure", intent=intent, path=f"/3ds/{intent['id']}")


async def submit_step(stand_in: Stripe, request: web.Request) -> web.Response:
    """Take the customer's answer and send them back to where they pay."""
    intent, form = find_object(stand_in, request, "payment_intent"), await read_form(request)
    passed = form.get("passed") == "yes"
    session, invoice = _owner(stand_in.account, intent)
    where = f"/i/{invoice['id']}" if invoice else f"/c/pay/{session['id']}" if session else "/"
    try:
        if invoice is not None:
            authenticate_invoice(stand_in.account, invoice, passed=passed)
        elif (
            session is not None
            and authenticate_session(stand_in.account, session, passed=passed) == "complete"
        ):
            where = success_url(session)
    except StripeError:
        where += "?declined=1"
    return go_to(where)


def _owner(account: Account, intent: Json) -> tuple[Json | None, Json | None]:
    """Return the Checkout Session, or the invoice, that an intent pays."""
    sessions = account.where("checkout.session", _intent=intent["id"])
    payments = [
        each
        for each in account.all("invoice_payment")
        if each["payment"]["payment_intent"] == intent["id"] and not sessions
    ]
    invoice = account.find("invoice", payments[0]["invoice"]) if payments else None
    return (sessions[0] if sessions else None), invoice
