"""Begins subscriptions and their periods: at each period's end the next one, with an invoice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.billing_clock import add_months
from deploy.sandbox.stripe.objects import Json, make_list, new_id
from deploy.sandbox.stripe.resources.catalogue import make_plan
from deploy.sandbox.stripe.resources.collection import advance_invoice, collect_invoice
from deploy.sandbox.stripe.resources.invoice_items import pending_items
from deploy.sandbox.stripe.resources.invoices import draft_invoice, finalize_invoice, make_line
from deploy.sandbox.stripe.resources.subscriptions import ENDED, end_when_due, item_of
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

_SECONDS: Final = {"day": 86_400, "week": 7 * 86_400}
_MONTHS: Final = {"month": 1, "year": 12}


def begin_subscription(account: Account, customer: str, bought: Json, method: str, data: Json) -> Json:
    """Make a subscription to a Checkout item, which is not paid yet, in its first period."""
    identifier, moment, price = new_id("sub"), account.clock.now(), bought["price"]
    item = blank(
        "subscription_item",
        id=new_id("si"),
        created=moment,
        current_period_end=period_end(price, moment, 1),
        current_period_start=moment,
        plan=make_plan(price),
        price=price,
        quantity=bought["quantity"],
        subscription=identifier,
    )
    made = blank(
        "subscription",
        id=identifier,
        billing_cycle_anchor=moment,
        created=moment,
        currency=price["currency"],
        customer=customer,
        default_payment_method=method,
        items=make_list([item], f"/v1/subscription_items?subscription={identifier}"),
        start_date=moment,
        _period=1,
        _period_amount=0,
    )
    kept = account.add(made | data)
    account.find("customer", customer)["currency"] = price["currency"]
    account.emit("customer.subscription.created", kept)
    return kept


def invoice_period(account: Account, subscription: Json, reason: str, coupon: Json | None = None) -> Json:
    """Make the draft of the current period's invoice; a period that ends early costs its part."""
    item = item_of(subscription)
    start, end = item["current_period_start"], item["current_period_end"]
    whole = period_end(item["price"], subscription["billing_cycle_anchor"], subscription["_period"]) - start
    cents = round(item["price"]["unit_amount"] * item["quantity"] * (end - start) / whole)
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": None,
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": details,
        "type": "subscription_item_details",
    }
    price = {"price": item["price"]["id"], "product": item["price"]["product"]}
    pricing = {"price_details": price, "type": "price_details"}
    told = {
        "parent": parent,
        "pricing": pricing | {"unit_amount_decimal": item["price"]["unit_amount_decimal"]},
    }
    line = make_line(cents, subscription["currency"], (start, end), **told, quantity=item["quantity"])
    invoice = draft_invoice(account, subscription, [line], reason, coupon)
    off = sum(each["amount"] for each in invoice["total_discount_amounts"])
    subscription |= {"latest_invoice": invoice["id"], "_period_invoice": invoice["id"]}
    subscription["_period_amount"] = cents - off
    return invoice


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
        advance_invoice(account, account.find("invoice", subscription["latest_invoice"]))


def invoice_pending(account: Account, subscription: Json) -> None:
    """Invoice at once what waits for the next invoice; a credit goes to the customer's balance."""
    if pending_items(account, subscription["customer"], subscription["id"]):
        invoice = draft_invoice(account, subscription, [], "subscription_update")
        subscription["latest_invoice"] = invoice["id"]
        finalize_invoice(account, invoice)
        collect_invoice(account, invoice)


def period_end(price: Json, anchor: int, number: int) -> int:
    """Return when the numbered period (from 1) after the anchor ends."""
    interval, count = price["recurring"]["interval"], int(price["recurring"]["interval_count"]) * number
    if interval in _MONTHS:
        return add_months(anchor, _MONTHS[interval] * count)
    return anchor + _SECONDS[interval] * count


def _renew(account: Account, subscription: Json, period: int) -> None:
    end_when_due(account, subscription)
    if subscription["status"] in ENDED or subscription["_period"] != period:
        return
    item = item_of(subscription)
    number = period + 1
    end = period_end(item["price"], subscription["billing_cycle_anchor"], number)
    chosen = subscription["cancel_at"]
    subscription["_period"] = number
    item |= {
        "current_period_start": item["current_period_end"],
        "current_period_end": min(end, chosen or end),
    }
    invoice = invoice_period(
        account, subscription, "subscription_cycle", _lasting_coupon(account, subscription)
    )
    account.emit("customer.subscription.updated", subscription, {"latest_invoice": None})
    schedule_renewal(account, subscription)
    if subscription["status"] == "unpaid":
        invoice["auto_advance"] = False
        return
    moment = account.clock.now() + account.settings.draft_seconds
    invoice["automatically_finalizes_at"] = moment
    account.clock.add_due(moment, lambda: advance_invoice(account, invoice))


def _lasting_coupon(account: Account, subscription: Json) -> Json | None:
    coupon = account.get("coupon", subscription["_coupon"])
    if coupon is None or coupon["duration"] == "once":
        return None
    months = coupon["duration_in_months"]
    return None if months is not None and subscription["_period"] > months else coupon
