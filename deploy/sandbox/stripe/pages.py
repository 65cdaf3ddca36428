"""The pages that Stripe hosts: Checkout, 3-D Secure, the portal. Each is a form that works without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.stripe.objects import Json, StripeError
from deploy.sandbox.stripe.resources.checkout import apply_code, authenticate_session, submit_session
from deploy.sandbox.stripe.resources.payments import CARDS, card_of, find_card, set_default_card
from deploy.sandbox.stripe.resources.subscriptions import ENDED, choose_end, item_of
from deploy.sandbox.templating import render

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.stand_in import Stripe

# Called with the account, the object that the address names, and the form sent, or what the address asks.
Page = Callable[["Account", Json, dict[str, str]], web.Response]
_DECLINED: Final = "Votre carte a été refusée. Essayez-en une autre."


def add_page_routes(app: web.Application, stand_in: Stripe) -> None:
    """Add every page; one of an object that there is not is 404."""

    async def handle(kind: str, show: Page, submit: Page, request: web.Request) -> web.Response:
        account = stand_in.account
        account.clock.run_due()
        if (thing := account.get(kind, request.match_info["id"])) is None:
            raise web.HTTPNotFound(text=f"no such {kind}")
        is_sent = request.method == "POST"
        sent = await request.post() if is_sent else request.query
        answer = (submit if is_sent else show)(
            account, thing, {key: str(value) for key, value in sent.items()}
        )
        account.clock.run_due()
        return answer

    for path, kind, show, submit in (
        ("/c/pay/{id}", "checkout.session", _show_checkout, _submit_checkout),
        ("/3ds/{id}", "payment_intent", _show_step, _submit_step),
        ("/p/session/{id}", "billing_portal.session", _show_portal, _submit_portal),
    ):
        app.router.add_get(path, partial(handle, kind, show, submit))
        app.router.add_post(path, partial(handle, kind, show, submit))


def _show(template: str, *, status: int = 200, **values: object) -> web.Response:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    html = render(f"stripe/{template}", **values)
    return web.Response(text=html, content_type="text/html", status=status, headers=headers)


def _say(heading: str, text: str, url: str | None = None, status: int = 200) -> web.Response:
    return _show("message", heading=heading, text=text, url=url, link="Retour au site", status=status)


def _go_to(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _show_checkout(account: Account, session: Json, asked: dict[str, str]) -> web.Response:
    """Show what is bought, a code, a card; a session that is over says so. It can be left and opened again."""
    if session["status"] == "expired":
        return _say("Lien expiré", "Cette page de paiement a expiré.", session["cancel_url"], 410)
    if session["status"] == "complete":
        return _say("Déjà payé", "Cette commande est payée.", _success_url(session))
    return _show_order(account, session, _DECLINED if "declined" in asked else None)


def _submit_checkout(account: Account, session: Json, form: dict[str, str]) -> web.Response:
    """Apply a code, or pay."""
    try:
        if form.get("action") == "code":
            apply_code(account, session, form.get("promotion_code", ""))
            return _show_order(account, session, None)
        status = submit_session(account, session, find_card(form.get("card", "")), form.get("email"))
    except StripeError as error:
        if session["status"] != "open":
            return _show_checkout(account, session, {})
        return _show_order(account, session, _explain(error), error.status)
    return _go_to(_success_url(session) if status == "complete" else f"/3ds/{session['_intent']}")


def _success_url(session: Json) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _show_order(account: Account, session: Json, error: str | None, status: int = 200) -> web.Response:
    return _show(
        "checkout",
        session=session,
        items=session["_items"],
        coupon=account.get("coupon", session["_coupon"]),
        email=(session["customer_details"] or {}).get("email") or session["customer_email"] or "",
        cards=list(CARDS.values()),
        error=error,
        path=f"/c/pay/{session['id']}",
        status=status,
    )


def _explain(error: StripeError) -> str:
    if error.fields["type"] == "card_error":
        return _DECLINED
    return "Ce code n’est pas valable." if "promotion" in str(error) else str(error)


def _show_step(_account: Account, intent: Json, _asked: dict[str, str]) -> web.Response:
    """Ask for confirmation, as the bank's page of 3-D Secure; closing it leaves the payment undecided."""
    if intent["status"] != "requires_action":
        return _say("Rien à confirmer", "Ce paiement n’attend aucune confirmation.")
    return _show("three_d_secure", intent=intent, path=f"/3ds/{intent['id']}")


def _submit_step(account: Account, intent: Json, form: dict[str, str]) -> web.Response:
    """Take the customer's answer and send them back to where they pay."""
    session = next(iter(account.where("checkout.session", _intent=intent["id"])), None)
    if session is None:
        return _say("Rien à confirmer", "Ce paiement n’a pas de page.")
    try:
        status = authenticate_session(account, session, passed=form.get("passed") == "yes")
    except StripeError:
        return _go_to(f"/c/pay/{session['id']}?declined=1")
    return _go_to(_success_url(session) if status == "complete" else f"/c/pay/{session['id']}")


def _show_portal(account: Account, portal: Json, _asked: dict[str, str]) -> web.Response:
    """Show a customer's subscriptions, card and invoices."""
    customer = account.find("customer", portal["customer"])
    usual = customer.get("invoice_settings", {}).get("default_payment_method")
    subscriptions = account.where("subscription", customer=portal["customer"])[::-1]
    chosen = usual or next((each["default_payment_method"] for each in subscriptions), None)
    method = account.get("payment_method", chosen)
    return _show(
        "portal",
        portal=portal,
        subscriptions=subscriptions,
        names={each["id"]: each["name"] for each in account.all("product")},
        card=card_of(method) if method else None,
        cards=list(CARDS.values()),
        invoices=account.where("invoice", customer=portal["customer"])[::-1],
        path=f"/p/session/{portal['id']}",
    )


def _submit_portal(account: Account, portal: Json, form: dict[str, str]) -> web.Response:
    """Change the card, or when the subscription ends."""
    if form.get("action") == "card":
        customer = account.find("customer", portal["customer"], "customer")
        set_default_card(account, customer, find_card(form.get("card", "")))
        return _go_to(f"/p/session/{portal['id']}")
    subscription = account.get("subscription", form.get("subscription"))
    if subscription is None or subscription["customer"] != portal["customer"]:
        raise web.HTTPNotFound(text="no such subscription of this customer")
    if subscription["status"] not in ENDED:
        is_end = form.get("action") == "cancel"
        end = item_of(subscription)["current_period_end"] if is_end else None
        choose_end(account, subscription, end, is_period_end=is_end)
    return _go_to(f"/p/session/{portal['id']}")
