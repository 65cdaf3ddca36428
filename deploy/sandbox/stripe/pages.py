"""The pages that Stripe hosts: Checkout, 3-D Secure, the portal. Each is a form that works without JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.sandbox.stripe.cards import CARDS, find_card
from deploy.sandbox.stripe.objects import StripeError
from deploy.sandbox.stripe.resources.checkout import (
    apply_code,
    authenticate_session,
    submit_session,
)
from deploy.sandbox.stripe.resources.payments import card_of, set_default_card
from deploy.sandbox.stripe.resources.subscriptions import ENDED, choose_end, item_of
from deploy.sandbox.templating import add_filter, render

if TYPE_CHECKING:
    from deploy.sandbox.request_body import Handler
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json
    from deploy.sandbox.stripe.stand_in import Stripe

Page = Callable[["Stripe", web.Request], Awaitable[web.Response]]
_DECLINED: Final = "Votre carte a été refusée. Essayez-en une autre."


add_filter("euros", lambda cents: f"{cents // 100},{cents % 100:02} €")
add_filter("day", lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%d/%m/%Y}")


def add_page_routes(app: web.Application, stand_in: Stripe) -> None:
    """Add every page."""

    def bind_page(page: Page) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            stand_in.account.clock.run_due()
            answer = await page(stand_in, request)
            stand_in.account.clock.run_due()
            return answer

        return handle

    for path, show, submit in (
        ("/c/pay/{id}", _show_checkout, _submit_checkout),
        ("/3ds/{id}", _show_step, _submit_step),
        ("/p/session/{id}", _show_portal, _submit_portal),
    ):
        app.router.add_get(path, bind_page(show))
        app.router.add_post(path, bind_page(submit))


def _show(template: str, *, status: int = 200, **values: object) -> web.Response:
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    html = render(f"stripe/{template}", **values)
    return web.Response(text=html, content_type="text/html", status=status, headers=headers)


def _say(heading: str, text: str, url: str | None, status: int = 200) -> web.Response:
    link = "Retour au site" if url else ""
    return _show("message", heading=heading, text=text, url=url, link=link, status=status)


def _go_to(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})


def _find(stand_in: Stripe, request: web.Request, kind: str) -> Json:
    """Return the object that a page's address names; 404 where there is none."""
    try:
        return stand_in.account.find(kind, request.match_info["id"])
    except StripeError as error:
        raise web.HTTPNotFound(text=str(error)) from None


async def _read_form(request: web.Request) -> dict[str, str]:
    return {key: str(value) for key, value in (await request.post()).items()}


async def _show_checkout(stand_in: Stripe, request: web.Request) -> web.Response:
    """Show what is bought, a code, a card; a session that is over says so. It can be left and opened again."""
    session = _find(stand_in, request, "checkout.session")
    if session["status"] == "expired":
        return _say("Lien expiré", "Cette page de paiement a expiré.", session["cancel_url"], 410)
    if session["status"] == "complete":
        return _say("Déjà payé", "Cette commande est payée.", _success_url(session))
    return _show_order(stand_in, session, _DECLINED if "declined" in request.query else None)


async def _submit_checkout(stand_in: Stripe, request: web.Request) -> web.Response:
    """Apply a code, or pay."""
    session, form = _find(stand_in, request, "checkout.session"), await _read_form(request)
    try:
        if form.get("action") == "code":
            apply_code(stand_in.account, session, form.get("promotion_code", ""))
            return _show_order(stand_in, session, None)
        card, email = find_card(form.get("card", "")), form.get("email")
        status = submit_session(stand_in.account, session, card, email)
    except StripeError as error:
        if session["status"] != "open":
            return await _show_checkout(stand_in, request)
        return _show_order(stand_in, session, _explain(error), error.status)
    return _go_to(_success_url(session) if status == "complete" else f"/3ds/{session['_intent']}")


def _success_url(session: Json) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _show_order(stand_in: Stripe, session: Json, error: str | None, status: int = 200) -> web.Response:
    return _show(
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


async def _show_step(stand_in: Stripe, request: web.Request) -> web.Response:
    """Ask for confirmation, as the bank's page of 3-D Secure; closing it leaves the payment undecided."""
    intent = _find(stand_in, request, "payment_intent")
    if intent["status"] != "requires_action":
        return _say("Rien à confirmer", "Ce paiement n’attend aucune confirmation.", None)
    return _show("three_d_secure", intent=intent, path=f"/3ds/{intent['id']}")


async def _submit_step(stand_in: Stripe, request: web.Request) -> web.Response:
    """Take the customer's answer and send them back to where they pay."""
    account, form = stand_in.account, await _read_form(request)
    intent = _find(stand_in, request, "payment_intent")
    session = next(iter(account.where("checkout.session", _intent=intent["id"])), None)
    if session is None:
        return _say("Rien à confirmer", "Ce paiement n’a pas de page.", None)
    try:
        status = authenticate_session(account, session, passed=form.get("passed") == "yes")
    except StripeError:
        return _go_to(f"/c/pay/{session['id']}?declined=1")
    return _go_to(_success_url(session) if status == "complete" else f"/c/pay/{session['id']}")


async def _show_portal(stand_in: Stripe, request: web.Request) -> web.Response:
    """Show a customer's subscriptions, card and invoices."""
    account, portal = stand_in.account, _find(stand_in, request, "billing_portal.session")
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


async def _submit_portal(stand_in: Stripe, request: web.Request) -> web.Response:
    """Change the card, or when the subscription ends."""
    account, portal = stand_in.account, _find(stand_in, request, "billing_portal.session")
    form = await _read_form(request)
    if form.get("action") == "card":
        customer = account.find("customer", portal["customer"], "customer")
        set_default_card(account, customer, find_card(form.get("card", "")))
    else:
        _change_end(account, portal["customer"], form)
    return _go_to(f"/p/session/{portal['id']}")


def _change_end(account: Account, customer: str, form: dict[str, str]) -> None:
    subscription = account.get("subscription", form.get("subscription"))
    if subscription is None or subscription["customer"] != customer:
        raise web.HTTPNotFound(text="no such subscription of this customer")
    if subscription["status"] not in ENDED:
        is_end = form.get("action") == "cancel"
        end = item_of(subscription)["current_period_end"] if is_end else None
        choose_end(account, subscription, end, is_period_end=is_end)
