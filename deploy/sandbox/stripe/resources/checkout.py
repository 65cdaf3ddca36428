"""Checkout Sessions: what one is for, how it is paid as on its page, and open → complete or expired.

An open session is paid once: whoever comes later finds it complete. https://docs.stripe.com/api/checkout/sessions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from pydantic import Field

from deploy.sandbox.stripe.objects import Json, StripeError, new_id
from deploy.sandbox.stripe.parameters import Metadata, Object, Parameters
from deploy.sandbox.stripe.resources.catalogue import (
    Item,
    amount_off,
    find_promotion_code,
    read_price,
    redeem_coupon,
    usable_coupon,
)
from deploy.sandbox.stripe.resources.invoices import finalize_invoice
from deploy.sandbox.stripe.resources.payments import (
    add_payment_intent,
    add_payment_method,
    finish_authentication,
    try_payment,
)
from deploy.sandbox.stripe.resources.renewals import (
    begin_subscription,
    invoice_period,
    schedule_renewal,
    settle_invoice,
)
from deploy.sandbox.stripe.resources.subscriptions import make_customer

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.resources.payments import TestCard

# https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
_LEAST_CENTS: Final = 50
_SAME: Final = (  # fields that a session shows as they were given
    *("adaptive_pricing", "allow_promotion_codes", "cancel_url", "client_reference_id"),
    *("locale", "metadata", "mode", "success_url"),
)
_SHORTEST, _LONGEST = 30 * 60, 24 * 3600  # seconds that a session is open


class _Adaptive(Object):
    enabled: bool = True


class _Discount(Object):
    coupon: str


class _Data(Object):
    """What the payment intent, or the subscription, is to carry."""

    metadata: Metadata = Field({})


class NewSession(Parameters):
    """What is sold, to whom, and where the customer goes then."""

    mode: Literal["payment", "subscription"]
    success_url: str
    line_items: list[Item] = Field(min_length=1, max_length=1)  # as the product sells
    adaptive_pricing: _Adaptive = _Adaptive()
    allow_promotion_codes: bool | None = None
    allowed_payment_method_types: list[Literal["card", "paypal", "sepa_debit", "link"]] = Field([])
    cancel_url: str | None = None
    client_reference_id: str | None = None
    customer: str | None = None
    customer_creation: Literal["always", "if_required"] | None = None
    customer_email: str | None = None
    discounts: list[_Discount] = Field([], max_length=1)
    expires_at: int | None = None
    locale: str | None = None
    metadata: Metadata = Field({})
    payment_intent_data: _Data | None = None
    subscription_data: _Data | None = None


def create_session(account: Account, given: NewSession) -> Json:
    """POST /v1/checkout/sessions."""
    made, item, code = _build(account, given), _read_item(account, given), None
    given.refuse_both("allow_promotion_codes", "discounts")
    made |= {"currency": item["currency"], "_items": [item]}
    if given.discounts:
        code = usable_coupon(account, given.discounts[0].coupon, item["currency"], "discounts[0][coupon]")
        _take_off(made, code)
    _set_amounts(made, code)
    account.clock.add_due(made["expires_at"], lambda: _run_out(account, made))
    return account.add(made)


def _take_off(session: Json, coupon: Json, promotion_code: str | None = None) -> None:
    """Note what a session's discount is by."""
    session |= {"_coupon": coupon["id"], "_promotion_code": promotion_code}
    session["discounts"] = [{"coupon": coupon["id"], "promotion_code": promotion_code}]


def _set_amounts(session: Json, coupon: Json | None) -> None:
    """Compute a session's amounts from its items and its discount.

    Raises:
        StripeError: less than Stripe's minimum is left to pay; nothing has changed.
    """
    (item,) = session["_items"]
    subtotal = item["amount_subtotal"]
    off = amount_off(coupon, subtotal)
    total = subtotal - off
    if 0 < total < _LEAST_CENTS:
        message = f"The Checkout Session's total amount due must add up to at least €{_LEAST_CENTS / 100:.2f}"
        raise StripeError(message, code="amount_too_small")
    session |= {"amount_subtotal": subtotal, "amount_total": total}
    session["total_details"] = {"amount_discount": off, "amount_shipping": 0, "amount_tax": 0}
    session["payment_status"] = "unpaid" if total else "no_payment_required"
    item |= {"amount_discount": off, "amount_total": total}


def expire_session(account: Account, _given: Parameters, session: str) -> Json:
    """POST /v1/checkout/sessions/{id}/expire."""
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
        account.change(intent, "payment_intent.canceled", status="canceled")
    account.change(session, "checkout.session.expired", status="expired", url=None)


def _build(account: Account, given: NewSession) -> Json:
    identifier, chosen = new_id("cs_test"), given.allowed_payment_method_types
    own, other = ("payment_intent_data", "subscription_data")[:: 1 if given.mode == "payment" else -1]
    if given.has(other):
        raise StripeError(f"You can not pass `{other}` in `{given.mode}` mode.")
    made = account.build(
        "checkout.session",
        id=identifier,
        allowed_payment_method_types=chosen or None,
        expires_at=_read_expiry(account, given),
        payment_method_collection="always" if given.mode == "subscription" else "if_required",
        payment_method_types=chosen or ["card"],
        url=f"{account.origin}/c/pay/{identifier}",
        _data=(getattr(given, own) or _Data()).model_dump(),
        **given.model_dump(include=set(_SAME)),
    )
    return made | _read_customer(account, given)


def _read_customer(account: Account, given: NewSession) -> Json:
    """Return the session's fields about who pays."""
    given.refuse_both("customer", "customer_email")
    customer, email, recurring = given.customer, given.customer_email, given.mode == "subscription"
    if email and "@" not in email:
        raise StripeError(f"Invalid email address: {email}", code="email_invalid", param="customer_email")
    usual = "always" if recurring else given.customer_creation or "if_required"
    known = account.find("customer", customer, "customer")["email"] if customer else email
    return {
        "customer": customer,
        "customer_creation": None if customer else usual,
        "customer_details": {"email": known} if known else None,
        "customer_email": email,
    }


def _read_item(account: Account, given: NewSession) -> Json:
    """Return the line item, of the kind that the mode takes."""
    (told,) = given.line_items
    price = read_price(account, told, "line_items[0]")
    if given.mode == "payment" and price["recurring"]:
        raise StripeError(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode "
            "or use only one-time prices."
        )
    if given.mode == "subscription" and not price["recurring"]:
        raise StripeError(
            "You must provide at least one recurring price in `subscription` mode when using prices."
        )
    amount = price["unit_amount"] * told.quantity
    named = {"description": account.find("product", price["product"])["name"], "metadata": {}}
    amounts = {"amount_subtotal": amount, "amount_total": amount, "currency": price["currency"]}
    return account.build("item", price=price, quantity=told.quantity, **amounts, **named)


def _read_expiry(account: Account, given: NewSession) -> int:
    """Return when the session ends unpaid: half an hour to a day from now."""
    moment = account.clock.now()
    expires = given.expires_at or moment + _LONGEST
    if not moment + _SHORTEST <= expires <= moment + _LONGEST:
        bound = "at least 30 minutes" if expires < moment + _SHORTEST else "less than 24 hours"
        message = f"The `expires_at` timestamp must be {bound} from Checkout Session creation."
        raise StripeError(message, param="expires_at")
    return expires


def apply_code(account: Account, session: Json, code: str) -> None:
    """Take a promotion code off a session's amount.

    Raises:
        StripeError: it takes no codes, or not this one.
    """
    if session["status"] != "open" or not session["allow_promotion_codes"]:
        raise StripeError("This Checkout Session takes no promotion codes.")
    found = find_promotion_code(account, code)
    if found is None:
        raise StripeError("This promotion code is invalid.", code="promotion_code_invalid")
    coupon = usable_coupon(account, found["promotion"]["coupon"], session["currency"], "promotion_code")
    _set_amounts(session, coupon)
    _take_off(session, coupon, found["id"])


def submit_session(account: Account, session: Json, card: TestCard, email: str | None) -> str:
    """Try to pay; return the session's status: still ``open`` where 3-D Secure is asked for.

    Raises:
        StripeError: the card is declined (402), the session is over, or its coupon was used up meanwhile.
    """
    if session["status"] == "expired":
        raise StripeError("This Checkout Session has expired.", code="checkout_session_expired")
    if session["status"] == "complete":
        return "complete"
    if session["_coupon"]:
        usable_coupon(account, session["_coupon"], session["currency"], "discounts")
    customer = _find_buyer(account, session, email)
    # The customer keeps the payment method where later payments need it.
    keeper = customer if session["mode"] == "subscription" else None
    method = add_payment_method(account, card, keeper)
    session["_method"] = method["id"]
    if session["amount_total"] == 0:
        _complete(account, session, None)
        return "complete"
    intent = _intent_of(account, session, customer)
    try_payment(account, intent, method)
    return _follow(account, session, intent)


def authenticate_session(account: Account, session: Json, *, passed: bool) -> str:
    """End 3-D Secure; return the session's status.

    Raises:
        StripeError: it failed (402), or none was asked for.
    """
    intent = account.get("payment_intent", session["_intent"])
    if session["status"] != "open" or intent is None:
        return str(session["status"])
    finish_authentication(account, intent, passed=passed)
    return _follow(account, session, intent)


def _find_buyer(account: Account, session: Json, typed: str | None) -> str | None:
    email = typed or session["customer_email"]
    if session["customer"]:
        email = typed or account.find("customer", session["customer"]).get("email")
    elif session["customer_creation"] == "always":
        session["customer"] = make_customer(account, email)["id"]
    session["customer_details"] = {"email": email}
    return str(session["customer"]) if session["customer"] else None


def _intent_of(account: Account, session: Json, customer: str | None) -> Json:
    known = account.get("payment_intent", session["_intent"])
    if known is not None:
        known["amount"] = session["amount_total"]
        return known
    data = session["_data"] if session["mode"] == "payment" else {}
    told = {"customer": customer, "payment_method_types": session["payment_method_types"]}
    made = add_payment_intent(account, session["amount_total"], session["currency"], **data, **told)
    session["_intent"] = made["id"]
    if session["mode"] == "payment":
        session["payment_intent"] = made["id"]
    return made


def _follow(account: Account, session: Json, intent: Json) -> str:
    """Complete the session once its payment has succeeded, or is under way as a delayed debit."""
    if intent["status"] in {"succeeded", "processing"}:
        paid = intent["status"] == "succeeded"
        session["payment_status"] = "paid" if paid else "unpaid"
        intent["_settled"] = lambda paid: _settle(account, session, paid=paid)
        _complete(account, session, intent)
    return str(session["status"])


def _complete(account: Account, session: Json, intent: Json | None) -> None:
    if session["_coupon"]:
        redeem_coupon(account.find("coupon", session["_coupon"]))
    if session["mode"] == "subscription":
        _subscribe(account, session, intent)
    account.change(session, "checkout.session.completed", status="complete", url=None)


def _subscribe(account: Account, session: Json, intent: Json | None) -> None:
    item, coupon = session["_items"][0], account.get("coupon", session["_coupon"])
    subscription = begin_subscription(
        account, session["customer"], item, session["_method"], session["_data"]
    )
    invoice = invoice_period(account, subscription, "subscription_create", coupon)
    finalize_invoice(account, invoice, use_balance=False, intent=intent)
    session |= {"subscription": subscription["id"], "invoice": invoice["id"]}
    schedule_renewal(account, subscription)
    if session["payment_status"] != "unpaid":
        invoice |= {"attempted": True, "attempt_count": 1 if intent else 0}
        settle_invoice(account, invoice)
    else:  # a delayed debit: the subscription runs while the money is under way
        account.change(subscription, "customer.subscription.updated", status="active")


def _settle(account: Account, session: Json, *, paid: bool) -> None:
    """End a session's delayed debit."""
    if session["invoice"]:
        invoice = account.find("invoice", session["invoice"])
        if paid:
            settle_invoice(account, invoice)
        else:
            account.emit("invoice.payment_failed", invoice)
            subscription = account.find("subscription", session["subscription"])
            account.change(subscription, "customer.subscription.updated", status="past_due")
    kind = "async_payment_succeeded" if paid else "async_payment_failed"
    status = "paid" if paid else "unpaid"
    account.change(session, f"checkout.session.{kind}", payment_status=status)
