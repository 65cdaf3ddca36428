"""The page of a Checkout Session: what is bought, a code, a card; it can be left and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.sandbox.stripe.cards import CARDS, find_card
from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.pages.page import find_object, go_to, read_form, show_message, show_page
from deploy.sandbox.stripe.resources.checkout_payment import Buyer, apply_code, submit_session

if TYPE_CHECKING:
    from aiohttp import web

    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.stand_in import Stripe

_DECLINED = "Votre carte a été refusée. Essayez-en une autre."


async def show_checkout(stand_in: Stripe, request: web.Request) -> web.Response:
    """Show the order; a session that is over says so."""
    session = find_object(stand_in, request, "checkout.session")
    if session["status"] == "expired":
        return show_message(
            "Lien expiré",
            "Cette page de paiement a expiré.",
            url=session["cancel_url"],
            link="Retour au site",
            status=410,
        )
    if session["status"] == "complete":
        return show_message(
            "Déjà payé", "Cette commande est payée.", url=success_url(session), link="Retour au site"
        )
    return _show(stand_in, session, _DECLINED if "declined" in request.query else None)


async def submit_checkout(stand_in: Stripe, request: web.Request) -> web.Response:
    """Apply a code, or pay."""
    session, form = find_object(stand_in, request, "checkout.session"), await read_form(request)
    try:
        if form.get("action") == "code":
            apply_code(stand_in.account, session, form.get("promotion_code", ""))
            return _show(stand_in, session, None)
        buyer = Buyer(find_card(form.get("card", "")), form.get("email"))
        status = submit_session(stand_in.account, session, buyer)
    except StripeError as error:
        if session["status"] != "open":
            return await show_checkout(stand_in, request)
        return _show(stand_in, session, _explain(error), error.status)
    return go_to(success_url(session) if status == "complete" else f"/3ds/{session['_intent']}")


def success_url(session: Json) -> str:
    """Return where the customer goes after paying."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _show(stand_in: Stripe, session: Json, error: str | None, status: int = 200) -> web.Response:
    return show_page(
        "checkout",
        session=session,
        items=session["_items"],
        coupon=stand_in.account.get("coupon", session["_coupon"]),
        email=(session["customer_details"] or {}).get("email") or session["customer_email"] or "",
        cards=list(CARDS.values()),
        error=error,
        path=f"/c/pay/{session['id']}",
        status=status,
    )


def _explain(error: StripeError) -> str:
    if error.fields.get("decline_code") == "insufficient_funds":
        return "Provision insuffisante. Essayez une autre carte."
    if error.fields["type"] == "card_error":
        return _DECLINED
    return "Ce code n’est pas valable." if "promotion" in str(error) else str(error)
