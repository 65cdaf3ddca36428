"""Reads what a new Checkout Session is for: its customer, items, discount and expiry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError, missing_parameter
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.resources.catalogue import read_price
from deploy.sandbox.stripe.resources.coupons import usable_coupon
from deploy.sandbox.stripe.resources.customers import find_customer

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_SHORTEST: Final = 30 * 60
_LONGEST: Final = 24 * 3600
_METHODS: Final = ("card", "paypal", "sepa_debit", "link")
_INTENT_TEXTS: Final = (
    "description", "receipt_email", "setup_future_usage", "statement_descriptor", "statement_descriptor_suffix",
)  # fmt: skip


def read_customer(account: Account, given: Parameters, mode: str) -> Json:
    """Return the session's fields about who pays."""
    customer, email = given.text("customer"), given.text("customer_email")
    if customer and email:
        raise StripeError("You may only specify one of these parameters: customer, customer_email.")
    known = find_customer(account, customer, "customer") if customer else None
    email_known = known["email"] if known else email
    details = _details(email_known, known["name"] if known else None) if customer or email else None
    return {
        "customer": customer,
        "customer_creation": _read_creation(given, mode),
        "customer_details": details,
        "customer_email": email,
    }


def read_data(given: Parameters, mode: str) -> Json:
    """Return what the payment intent, or the subscription, is to carry."""
    if mode == "payment" and given.has("subscription_data"):
        raise StripeError("You can not pass `subscription_data` in `payment` mode.")
    if mode == "subscription" and given.has("payment_intent_data"):
        raise StripeError("You can not pass `payment_intent_data` in `subscription` mode.")
    if mode == "subscription":
        data = given.nested("subscription_data").only("metadata", "description")
        return {"metadata": data.metadata(), "description": data.text("description")}
    data = given.nested("payment_intent_data").only("metadata", *_INTENT_TEXTS)
    return {"metadata": data.metadata()} | {name: data.text(name) for name in _INTENT_TEXTS}


def read_items(account: Account, given: Parameters, mode: str) -> list[Json]:
    """Return the line items; all are in one currency, and of the kind that the mode takes."""
    told = given.each("line_items")
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


def read_discount(account: Account, given: Parameters, currency: str) -> Json | None:
    """Return the coupon that the session begins with."""
    told = given.each("discounts")
    if told and given.has("allow_promotion_codes"):
        raise StripeError("You may only specify one of these parameters: allow_promotion_codes, discounts.")
    if len(told) > 1:
        raise StripeError("You can apply one discount at most.", param="discounts")
    for each in told:
        each.only("coupon")
        return usable_coupon(account, each.needed_text("coupon"), currency, each.full_name("coupon"))
    return None


def read_expiry(account: Account, given: Parameters) -> int:
    """Return when the session ends unpaid: half an hour to a day from now."""
    moment, expires = account.clock.now(), given.number("expires_at")
    if expires is None:
        return moment + _LONGEST
    if expires < moment + _SHORTEST:
        message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation."
        raise StripeError(message, param="expires_at")
    if expires > moment + _LONGEST:
        message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation."
        raise StripeError(message, param="expires_at")
    return expires


def read_methods(given: Parameters) -> Json:
    """Return the means of payment that the page offers: cards, unless others are given."""
    chosen = given.texts("allowed_payment_method_types")
    if unknown := set(chosen) - set(_METHODS):
        message = f"Invalid payment method type: {min(unknown)}"
        raise StripeError(message, param="allowed_payment_method_types")
    return {"allowed_payment_method_types": chosen or None, "payment_method_types": chosen or ["card"]}


def _read_creation(given: Parameters, mode: str) -> str | None:
    chosen = given.choice("customer_creation", ("always", "if_required"))
    if chosen and mode == "subscription":
        message = "`customer_creation` can only be used in `payment` mode."
        raise StripeError(message, param="customer_creation")
    if given.text("customer"):
        return None
    return "always" if mode == "subscription" else chosen or "if_required"


def _details(email: str | None, name: str | None) -> Json:
    nothing = dict.fromkeys(("address", "business_name", "individual_name", "phone", "tax_ids"))
    return {**nothing, "email": email, "name": name, "tax_exempt": "none"}


def _read_item(account: Account, given: Parameters) -> Json:
    given.only("price", "price_data", "quantity", "metadata")
    price, quantity = read_price(account, given), given.number("quantity", least=1)
    if quantity is None:
        raise missing_parameter(given.full_name("quantity"))
    amount = price["unit_amount"] * quantity
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": account.find("product", price["product"])["name"],
        "metadata": given.metadata(),
        "price": price,
        "quantity": quantity,
    }
