"""Checkout Sessions: open → complete or expired. How one is paid is in ``checkout_payment``.

https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError, missing_parameter
from deploy.sandbox.stripe.objects import Json, make_list, new_id
from deploy.sandbox.stripe.resources import checkout_order
from deploy.sandbox.stripe.resources.coupons import amount_off
from deploy.sandbox.stripe.resources.payment_intents import cancel_intent
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_MODES: Final = ("payment", "subscription")
_SUBMIT: Final = ("auto", "book", "donate", "pay", "subscribe")
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
LEAST_CENTS: Final = 50
_TEXTS: Final = ("cancel_url", "client_reference_id", "locale", "success_url")
_TAKEN: Final = (
    *_TEXTS, "adaptive_pricing", "allow_promotion_codes", "allowed_payment_method_types", "customer",
    "customer_creation", "customer_email", "discounts", "expires_at", "line_items", "metadata", "mode",
    "payment_intent_data", "submit_type", "subscription_data", "ui_mode",
)  # fmt: skip


def create_session(account: Account, given: Parameters) -> Json:
    """POST /v1/checkout/sessions."""
    given.only(*_TAKEN)
    mode = given.choice("mode", _MODES)
    given.choice("ui_mode", ("hosted_page",))
    adaptive = given.nested("adaptive_pricing").only("enabled").flag("enabled")
    if mode is None or not given.text("success_url"):
        raise missing_parameter("success_url" if mode else "mode")
    made = _build(account, given, mode)
    items = checkout_order.read_items(account, given, mode)
    coupon = checkout_order.read_discount(account, given, items[0]["currency"])
    made |= {
        "currency": items[0]["currency"],
        "_items": items,
        "adaptive_pricing": {"enabled": adaptive is not False},
    }
    if coupon:
        made |= {"_coupon": coupon["id"], "discounts": [{"coupon": coupon["id"], "promotion_code": None}]}
    set_amounts(made, coupon)
    account.clock.add_due(made["expires_at"], lambda: _run_out(account, made))
    return account.add(made)


def set_amounts(session: Json, coupon: Json | None) -> None:
    """Compute a session's amounts from its items and its discount.

    Raises:
        StripeError: less than Stripe's minimum is left to pay; nothing has changed.
    """
    subtotal = sum(item["amount_subtotal"] for item in session["_items"])
    off = amount_off(coupon, subtotal)
    total = subtotal - off
    if 0 < total < LEAST_CENTS:
        message = f"The Checkout Session's total amount due must add up to at least €{LEAST_CENTS / 100:.2f}"
        raise StripeError(message, code="amount_too_small")
    session |= {"amount_subtotal": subtotal, "amount_total": total}
    session["total_details"] = {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0}
    session["payment_status"] = "unpaid" if total else "no_payment_required"
    for item in session["_items"]:
        share = round(off * item["amount_subtotal"] / subtotal) if subtotal else 0
        item |= {"amount_discount": share, "amount_total": item["amount_subtotal"] - share}


def expire_session(account: Account, session: Json) -> Json:
    """End an open session that was not paid."""
    intent = account.get("payment_intent", session["_intent"])
    if intent is not None and intent["status"] in {"requires_payment_method", "requires_action"}:
        cancel_intent(account, intent, "expired")
    return account.change(session, "checkout.session.expired", status="expired", url=None)


def expire_checkout_session(account: Account, given: Parameters, session: str) -> Json:
    """POST /v1/checkout/sessions/{id}/expire."""
    given.only()
    known = account.find("checkout.session", session)
    if known["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {known['status']}."
        )
    return expire_session(account, known)


def line_items(session: Json) -> Json:
    """Return a session's items as a list object."""
    return make_list(session["_items"], f"/v1/checkout/sessions/{session['id']}/line_items")


def _run_out(account: Account, session: Json) -> None:
    if session["status"] == "open":
        expire_session(account, session)


def _build(account: Account, given: Parameters, mode: str) -> Json:
    identifier = new_id("cs_test")
    made = blank(
        "checkout.session",
        id=identifier,
        allow_promotion_codes=given.flag("allow_promotion_codes"),
        created=account.clock.now(),
        expires_at=checkout_order.read_expiry(account, given),
        metadata=given.metadata(),
        mode=mode,
        payment_method_collection="always" if mode == "subscription" else "if_required",
        submit_type=given.choice("submit_type", _SUBMIT),
        url=f"{account.origin}/c/pay/{identifier}",
        _data=checkout_order.read_data(given, mode),
    )
    made |= checkout_order.read_customer(account, given, mode) | checkout_order.read_methods(given)
    return made | {name: given.text(name) for name in _TEXTS}
