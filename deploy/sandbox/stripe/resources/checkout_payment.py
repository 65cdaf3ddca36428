"""Pays Checkout Sessions, as the page's form does: tries a card, and completes the session.

An open session is paid once: whoever comes later finds it complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.sandbox.stripe.objects import StripeError
from deploy.sandbox.stripe.resources.catalogue import find_promotion_code, redeem_coupon, usable_coupon
from deploy.sandbox.stripe.resources.checkout import make_details, set_amounts, take_off
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
    from deploy.sandbox.stripe.cards import TestCard
    from deploy.sandbox.stripe.objects import Json


@dataclass(frozen=True)
class Buyer:
    """What the customer typed on the page."""

    card: TestCard
    email: str | None = None


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
    set_amounts(session, coupon)
    take_off(session, coupon, found["id"])


def submit_session(account: Account, session: Json, buyer: Buyer) -> str:
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
    customer = _find_buyer(account, session, buyer)
    if session["amount_total"] == 0:
        return _complete_free(account, session, buyer, customer)
    method = _add_method(account, session, buyer, customer)
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


def _find_buyer(account: Account, session: Json, buyer: Buyer) -> str | None:
    email = buyer.email or session["customer_email"]
    if session["customer"]:
        known = account.find("customer", session["customer"])
        email = buyer.email or known.get("email")
    elif session["customer_creation"] == "always":
        session["customer"] = make_customer(account, email)["id"]
    details = session["customer_details"] or make_details(None, None)
    session["customer_details"] = details | {"email": email}
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


def _complete_free(account: Account, session: Json, buyer: Buyer, customer: str | None) -> str:
    _add_method(account, session, buyer, customer)
    _complete(account, session, None)
    return "complete"


def _add_method(account: Account, session: Json, buyer: Buyer, customer: str | None) -> Json:
    """Make the payment method; the customer keeps it where later payments need it."""
    keeper = customer if session["mode"] == "subscription" else None
    method = add_payment_method(account, buyer.card, keeper, buyer.email)
    session["_method"] = method["id"]
    return method


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
