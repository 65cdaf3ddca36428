"""Collects the money of invoices: the first try, the retries, and what follows for the subscription.

https://docs.stripe.com/billing/revenue-recovery/smart-retries
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.resources.invoices import finalize_invoice, intent_of, mark_paid
from deploy.sandbox.stripe.resources.payment_intents import finish_authentication, try_payment
from deploy.sandbox.stripe.resources.subscriptions import end_subscription

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.objects import Json

_DAY: Final = 86_400


def advance_invoice(account: Account, invoice: Json) -> None:
    """Finalize a draft that was left to itself, and collect it."""
    if invoice["status"] == "draft" and invoice["auto_advance"]:
        finalize_invoice(account, invoice)
        collect_invoice(account, invoice)


def collect_invoice(account: Account, invoice: Json, *, by_customer: bool = False) -> None:
    """Try to take the money of an open invoice from the customer's card.

    What fails is tried again later; but a try ``by_customer`` is none of the retries.
    """
    intent, method = intent_of(account, invoice), _method_of(account, invoice)
    if intent is None:
        settle_invoice(account, invoice)
        return
    if not by_customer or not invoice["attempt_count"]:
        invoice["attempt_count"] += 1
    invoice["attempted"] = True
    intent["_settled"] = lambda paid: settle_invoice(account, invoice) if paid else _fail(account, invoice)
    try:
        status = try_payment(account, intent, method, off_session=not by_customer) if method else ""
    except StripeError:
        status = ""
    if status == "succeeded":
        settle_invoice(account, invoice)
        return
    if status == "requires_action":
        account.emit("invoice.payment_action_required", invoice)
    if by_customer and status != "processing":
        account.emit("invoice.payment_failed", invoice)
    elif status != "processing":
        _fail(account, invoice)


def settle_invoice(account: Account, invoice: Json) -> None:
    """Count an invoice as paid; its subscription is active again."""
    if invoice["status"] != "open":
        return
    mark_paid(account, invoice)
    subscription = account.find("subscription", invoice["_subscription"])
    if subscription["latest_invoice"] == invoice["id"] and subscription["status"] in {
        "incomplete",
        "past_due",
        "unpaid",
    }:
        account.change(subscription, "customer.subscription.updated", status="active")


def authenticate_invoice(account: Account, invoice: Json, *, passed: bool) -> None:
    """End the 3-D Secure that an invoice's payment asked for.

    Raises:
        StripeError: it failed (402), or none was asked for.
    """
    intent = intent_of(account, invoice)
    if intent is not None and invoice["status"] == "open":
        finish_authentication(account, intent, passed=passed)
        settle_invoice(account, invoice)


def _method_of(account: Account, invoice: Json) -> Json | None:
    subscription = account.find("subscription", invoice["_subscription"])
    customer = account.find("customer", invoice["customer"])
    usual = customer.get("invoice_settings", {}).get("default_payment_method")
    return account.get("payment_method", subscription["default_payment_method"] or usual)


def _fail(account: Account, invoice: Json) -> None:
    subscription = account.find("subscription", invoice["_subscription"])
    days, tries = account.settings.retry_days, invoice["attempt_count"]
    moment = account.clock.now()
    first = invoice.setdefault("_failed_at", moment)
    again = first + days[tries - 1] * _DAY if tries <= len(days) else None
    if again is not None and invoice["auto_advance"]:
        account.clock.add_due(max(again, moment), lambda: _retry(account, invoice, tries))
    account.change(invoice, "invoice.payment_failed", next_payment_attempt=again)
    if subscription["status"] in {"active", "incomplete"}:
        account.change(subscription, "customer.subscription.updated", status="past_due")
    if again is None and subscription["status"] == "past_due":
        _give_up(account, subscription)


def _retry(account: Account, invoice: Json, tries: int) -> None:
    if invoice["status"] == "open" and invoice["auto_advance"] and invoice["attempt_count"] == tries:
        collect_invoice(account, invoice)


def _give_up(account: Account, subscription: Json) -> None:
    if account.settings.after_retries == "cancel":
        end_subscription(account, subscription, "payment_failed")
    elif account.settings.after_retries == "unpaid":
        account.change(subscription, "customer.subscription.updated", status="unpaid")
