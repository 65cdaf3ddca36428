"""Checkout Sessions: what one is for, and open → complete or expired. How one is paid is in ``checkout_payment``.

https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.objects import Json, StripeError, blank, missing_parameter, new_id
from deploy.sandbox.stripe.resources.catalogue import amount_off, read_price, usable_coupon
from deploy.sandbox.stripe.resources.payments import cancel_intent

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_MODES: Final = ("payment", "subscription")
# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_LEAST_CENTS: Final = 50
_SHORTEST, _LONGEST = 30 * 60, 24 * 3600  # seconds that a session is open
_METHODS: Final = ("card", "paypal", "sepa_debit", "link")
_TEXTS: Final = ("cancel_url", "client_reference_id", "locale", "success_url")
SESSION_FIELDS: Final = (
    *_TEXTS, "adaptive_pricing", "allow_promotion_codes", "allowed_payment_method_types", "customer",
    "customer_creation", "customer_email", "discounts", "expires_at", "line_items", "metadata", "mode",
    "payment_intent_data", "subscription_data",
)  # fmt: skip


def create_session(account: Account, given: Parameters) -> Json:
    """POST /v1/checkout/sessions."""
    given.only(*SESSION_FIELDS)
    mode = given.choice("mode", _MODES)
    if mode is None or not given.text("success_url"):
        raise missing_parameter("success_url" if mode else "mode")
    made = _build(account, given, mode)
    items = _read_items(account, given, mode)
    coupon = _read_discount(account, given, items[0]["currency"])
    adaptive = given.nested("adaptive_pricing", "enabled").flag("enabled") is not False
    made |= {"currency": items[0]["currency"], "_items": items, "adaptive_pricing": {"enabled": adaptive}}
    if coupon:
        take_off(made, coupon)
    set_amounts(made, coupon)
    account.clock.add_due(made["expires_at"], lambda: _run_out(account, made))
    return account.add(made)


def take_off(session: Json, coupon: Json, promotion_code: str | None = None) -> None:
    """Note what a session's discount is by."""
    session |= {"_coupon": coupon["id"], "_promotion_code": promotion_code}
    session["discounts"] = [{"coupon": coupon["id"], "promotion_code": promotion_code}]


def set_amounts(session: Json, coupon: Json | None) -> None:
    """Compute a session's amounts from its items and its discount.

    Raises:
        StripeError: less than Stripe's minimum is left to pay; nothing has changed.
    """
    subtotal = sum(item["amount_subtotal"] for item in session["_items"])
    off = amount_off(coupon, subtotal)
    total = subtotal - off
    if 0 < total < _LEAST_CENTS:
        message = f"The Checkout Session's total amount due must add up to at least €{_LEAST_CENTS / 100:.2f}"
        raise StripeError(message, code="amount_too_small")
    session |= {"amount_subtotal": subtotal, "amount_total": total}
    session["total_details"] = {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0}
    session["payment_status"] = "unpaid" if total else "no_payment_required"
    for item in session["_items"]:
        share = round(off * item["amount_subtotal"] / subtotal) if subtotal else 0
        item |= {"amount_discount": share, "amount_total": item["amount_subtotal"] - share}


def expire_session(account: Account, given: Parameters, session: str) -> Json:
    """POST /v1/checkout/sessions/{id}/expire."""
    given.only()
    known = account.find("checkout.session", session)
    if known["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {known['status']}."
        )
    _run_out(account, known)
    return known


def _run_out(account: Account, session: Json) -> None:
    """End an open session that was not paid."""
    if session["status"] != "open":
        return
    intent = account.get("payment_intent", session["_intent"])
    if intent is not None and intent["status"] in {"requires_payment_method", "requires_action"}:
        cancel_intent(account, intent, "expired")
    account.change(session, "checkout.session.expired", status="expired", url=None)


def _build(account: Account, given: Parameters, mode: str) -> Json:
    identifier = new_id("cs_test")
    chosen = given.texts("allowed_payment_method_types")
    if unknown := set(chosen) - set(_METHODS):
        message = f"Invalid payment method type: {min(unknown)}"
        raise StripeError(message, param="allowed_payment_method_types")
    made = blank(
        "checkout.session",
        id=identifier,
        allow_promotion_codes=given.flag("allow_promotion_codes"),
        allowed_payment_method_types=chosen or None,
        created=account.clock.now(),
        expires_at=_read_expiry(account, given),
        metadata=given.metadata(),
        mode=mode,
        payment_method_collection="always" if mode == "subscription" else "if_required",
        payment_method_types=chosen or ["card"],
        url=f"{account.origin}/c/pay/{identifier}",
        _data=_read_data(given, mode),
    )
    made |= {name: given.text(name) for name in _TEXTS}
    return made | _read_customer(account, given, mode)


def _read_customer(account: Account, given: Parameters, mode: str) -> Json:
    """Return the session's fields about who pays."""
    given.refuse_both("customer", "customer_email")
    customer, email = given.text("customer"), given.text("customer_email")
    if email and "@" not in email:
        raise StripeError(f"Invalid email address: {email}", code="email_invalid", param="customer_email")
    chosen = given.choice("customer_creation", ("always", "if_required"))
    if chosen and mode == "subscription":
        message = "`customer_creation` can only be used in `payment` mode."
        raise StripeError(message, param="customer_creation")
    usual = "always" if mode == "subscription" else chosen or "if_required"
    known = account.find("customer", customer, "customer") if customer else {"email": email, "name": None}
    return {
        "customer": customer,
        "customer_creation": None if customer else usual,
        "customer_details": make_details(known["email"], known["name"]) if customer or email else None,
        "customer_email": email,
    }


def make_details(email: str | None, name: str | None) -> Json:
    """Return what a session tells of its buyer."""
    nothing = dict.fromkeys(("address", "business_name", "individual_name", "phone", "tax_ids"))
    return {**nothing, "email": email, "name": name, "tax_exempt": "none"}


def _read_data(given: Parameters, mode: str) -> Json:
    """Return what the payment intent, or the subscription, is to carry."""
    own, other = ("payment_intent_data", "subscription_data")[:: 1 if mode == "payment" else -1]
    if given.has(other):
        raise StripeError(f"You can not pass `{other}` in `{mode}` mode.")
    return {"metadata": given.nested(own, "metadata").metadata()}


def _read_items(account: Account, given: Parameters, mode: str) -> list[Json]:
    """Return the line items; all are in one currency, and of the kind that the mode takes."""
    told = given.each("line_items", "price", "price_data", "quantity")
    if not told:
        raise missing_parameter("line_items")
    items = [_read_item(account, each) for each in told]
    recurring = [item for item in items if item["price"]["type"] == "recurring"]
    if mode == "payment" and recurring:
        raise StripeError(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices."
        )
    if mode == "subscription" and not recurring:
        raise StripeError(
            "You must provide at least one recurring price in `subscription` mode when using prices."
        )
    if mode == "subscription" and len(items) > 1:
        raise StripeError("Stripe's stand-in takes one item in `subscription` mode.", param="line_items")
    if len({item["currency"] for item in items}) > 1:
        raise StripeError("All prices in a Checkout Session must have the same currency.")
    return items


def _read_item(account: Account, given: Parameters) -> Json:
    price, quantity = read_price(account, given), given.needed_number("quantity", least=1)
    amount = price["unit_amount"] * quantity
    named = {"description": account.find("product", price["product"])["name"], "metadata": {}}
    amounts = {"amount_subtotal": amount, "amount_total": amount, "currency": price["currency"]}
    return blank("item", id=new_id("li"), price=price, quantity=quantity, **amounts, **named)


def _read_discount(account: Account, given: Parameters, currency: str) -> Json | None:
    """Return the coupon that the session begins with."""
    told = given.each("discounts", "coupon")
    if told:
        given.refuse_both("allow_promotion_codes", "discounts")
    if len(told) > 1:
        raise StripeError("You can apply one discount at most.", param="discounts")
    for each in told:
        return usable_coupon(account, each.needed_text("coupon"), currency, each.full_name("coupon"))
    return None


def _read_expiry(account: Account, given: Parameters) -> int:
    """Return when the session ends unpaid: half an hour to a day from now."""
    moment = account.clock.now()
    expires = given.number("expires_at") or moment + _LONGEST
    if expires < moment + _SHORTEST:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise StripeError(message, param="expires_at")
    if expires > moment + _LONGEST:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise StripeError(message, param="expires_at")
    return expires
