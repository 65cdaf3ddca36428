"""Begins subscriptions and their periods, each with an invoice, and collects the money of invoices.

https://docs.stripe.com/billing/revenue-recovery/smart-retries
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.account import add_months
from deploy.sandbox.stripe.objects import Json, StripeError, make_list, new_id
from deploy.sandbox.stripe.resources.invoices import (
    draft_invoice,
    finalize_invoice,
    intent_of,
    make_period_line,
    mark_paid,
)
from deploy.sandbox.stripe.resources.payments import finish_authentication, try_payment
from deploy.sandbox.stripe.resources.subscriptions import (
    ENDED,
    Change,
    change_end,
    end_subscription,
    end_when_due,
    item_of,
)

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

_RETRY_SECONDS: Final = tuple(86_400 * day for day in (1, 3, 5))  # after the first failure of a renewal
AFTER_RETRIES: Final = ("cancel", "past_due", "unpaid")  # what the dashboard offers
_UPDATED: Final = "customer.subscription.updated"


def begin_subscription(account: Account, customer: str, bought: Json, method: str, data: Json) -> Json:
    """Make a subscription to a Checkout item, which is not paid yet, in its first period."""
    identifier, moment, price = new_id("sub"), account.clock.now(), bought["price"]
    period = {"current_period_start": moment, "current_period_end": add_months(moment, 1)}
    sold = {"price": price, "quantity": bought["quantity"]}
    item = account.build("subscription_item", subscription=identifier, **period, **sold)
    account.find("customer", customer)["currency"] = price["currency"]
    paid = {"currency": price["currency"], "customer": customer, "default_payment_method": method}
    begun = {"billing_cycle_anchor": moment, "start_date": moment, "_period": 1, **paid, **data}
    items = make_list([item], f"/v1/subscription_items?subscription={identifier}")
    kind = "subscription"
    return account.make("customer.subscription.created", kind, id=identifier, items=items, **begun)


def invoice_period(account: Account, subscription: Json, reason: str, coupon: Json | None = None) -> Json:
    """Make the draft of the current period's invoice; a period that ends early costs its part."""
    item = item_of(subscription)
    start, end, price = item["current_period_start"], item["current_period_end"], item["price"]
    whole = add_months(subscription["billing_cycle_anchor"], subscription["_period"]) - start
    cents = round(price["unit_amount"] * item["quantity"] * (end - start) / whole)
    line = make_period_line(account, subscription, cents, start, end)
    invoice = draft_invoice(account, subscription, line, reason, coupon)
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def update_subscription(account: Account, given: Change, subscription: str) -> Json:
    """POST /v1/subscriptions/{id}."""
    known = change_end(account, given, subscription)
    return _begin_trial(account, known, given) if given.trial_end else known


def _begin_trial(account: Account, subscription: Json, given: Change) -> Json:
    """Let the period be a trial from now to its end, with an invoice of nothing; the next one is charged as usual."""
    moment, end, item = account.clock.now(), given.trial_end, item_of(subscription)
    if end is None or end <= moment:
        raise StripeError("trial_end must be in the future.", param="trial_end")
    if not given.proration_behavior:
        raise StripeError("Stripe's stand-in imitates no proration.", param="proration_behavior")
    item |= {"current_period_start": moment, "current_period_end": end}
    subscription |= {"billing_cycle_anchor": end, "_period": 0}
    line = make_period_line(account, subscription, 0, moment, end)
    invoice = draft_invoice(account, subscription, line, "subscription_update")
    finalize_invoice(account, invoice)
    collect_invoice(account, invoice)
    schedule_renewal(account, subscription)
    trial = {"status": "trialing", "trial_start": moment, "trial_end": end}
    return account.change(subscription, _UPDATED, latest_invoice=invoice["id"], **trial)


def schedule_renewal(account: Account, subscription: Json) -> None:
    """Let the next period begin when this one ends."""
    period, end = subscription["_period"], item_of(subscription)["current_period_end"]
    account.clock.add_due(end, lambda: _renew(account, subscription, period))


def renew_early(account: Account, subscription: Json) -> None:
    """Let a subscription reach the end of its period, and pay the next one; the clock of all others stays.

    What follows is dated at that end, as with a test clock of Stripe's: https://docs.stripe.com/billing/testing/test-clocks
    """
    with account.clock.at(item_of(subscription)["current_period_end"]):
        _renew(account, subscription, subscription["_period"])
        _advance_invoice(account, account.find("invoice", subscription["latest_invoice"]))


def _renew(account: Account, subscription: Json, period: int) -> None:
    end_when_due(account, subscription)
    is_over = item_of(subscription)["current_period_end"] <= account.clock.now()
    if subscription["status"] in ENDED or subscription["_period"] != period or not is_over:
        return
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    item, chosen = item_of(subscription), subscription["cancel_at"]
    subscription["_period"] = period + 1
    end = add_months(subscription["billing_cycle_anchor"], period + 1)
    item["current_period_start"] = item["current_period_end"]
    item["current_period_end"] = min(end, chosen or end)
    invoice = invoice_period(account, subscription, "subscription_cycle")
    account.emit(_UPDATED, subscription)
    schedule_renewal(account, subscription)
    if subscription["status"] in {"unpaid", "paused"}:
        invoice["auto_advance"] = False  # it stays a draft
    moment = account.clock.now() + account.draft_seconds
    invoice["automatically_finalizes_at"] = moment
    account.clock.add_due(moment, lambda: _advance_invoice(account, invoice))


def _advance_invoice(account: Account, invoice: Json) -> None:
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
    subscription, waiting = _subscription_of(account, invoice), {"incomplete", "past_due", "unpaid"}
    if subscription["latest_invoice"] == invoice["id"] and subscription["status"] in waiting:
        account.change(subscription, _UPDATED, status="active")


def authenticate_invoice(account: Account, invoice: Json) -> None:
    """Pass the 3-D Secure that an invoice's payment asked for."""
    intent = intent_of(account, invoice)
    if intent is not None and intent["status"] == "requires_action" and invoice["status"] == "open":
        finish_authentication(account, intent, passed=True)
        settle_invoice(account, invoice)


def _subscription_of(account: Account, invoice: Json) -> Json:
    return account.find("subscription", invoice["_subscription"])


def _method_of(account: Account, invoice: Json) -> Json | None:
    customer = account.find("customer", invoice["customer"])
    usual = customer.get("invoice_settings", {}).get("default_payment_method")
    own = _subscription_of(account, invoice)["default_payment_method"]
    return account.get("payment_method", own or usual)


def _fail(account: Account, invoice: Json) -> None:
    subscription = _subscription_of(account, invoice)
    tries, moment = invoice["attempt_count"], account.clock.now()
    first = invoice.setdefault("_failed_at", moment)
    again = first + _RETRY_SECONDS[tries - 1] if tries <= len(_RETRY_SECONDS) else None
    if again is not None and invoice["auto_advance"]:
        account.clock.add_due(max(again, moment), lambda: _retry(account, invoice, tries))
    account.change(invoice, "invoice.payment_failed", next_payment_attempt=again)
    if subscription["status"] in {"active", "incomplete"}:
        account.change(subscription, _UPDATED, status="past_due")
    if again is None and subscription["status"] == "past_due":
        _give_up(account, subscription)


def _give_up(account: Account, subscription: Json) -> None:
    if account.after_retries == "cancel":
        end_subscription(account, subscription, "payment_failed")
    elif account.after_retries == "unpaid":
        account.change(subscription, _UPDATED, status="unpaid")


def _retry(account: Account, invoice: Json, tries: int) -> None:
    if invoice["status"] == "open" and invoice["auto_advance"] and invoice["attempt_count"] == tries:
        collect_invoice(account, invoice)
