"""Invoice items: amounts that wait for a customer's next invoice; a negative one is a credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError, missing_parameter
from deploy.sandbox.stripe.listing import PAGE, in_range, make_page
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.resources.customers import find_customer
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_TAKEN: Final = ("amount", "currency", "customer", "description", "metadata", "period", "subscription")


def create_invoice_item(account: Account, given: Parameters) -> Json:
    """POST /v1/invoiceitems: by amount."""
    given.only(*_TAKEN)
    customer = find_customer(account, given.needed_text("customer"), "customer")
    amount, currency = given.number("amount"), (given.text("currency") or "eur").lower()
    if amount is None:
        raise missing_parameter("amount")
    subscription = given.text("subscription")
    if (
        subscription
        and account.find("subscription", subscription, "subscription")["customer"] != customer["id"]
    ):
        raise StripeError("The subscription is another customer's.", param="subscription")
    period = given.nested("period").only("start", "end")
    moment = account.clock.now()
    told = {
        "description": given.text("description"),
        "metadata": given.metadata(),
        "period": {"start": period.number("start") or moment, "end": period.number("end") or moment},
    }
    made = add_invoice_item(account, customer["id"], amount, currency, subscription, **told)
    account.emit("invoiceitem.created", made)
    return made


def add_invoice_item(
    account: Account, customer: str, amount: int, currency: str, subscription: str | None, **more: Any
) -> Json:
    """Keep an amount for the next invoice: of the subscription, where one is named."""
    parent = None
    if subscription:
        details = {"subscription": subscription, "subscription_item": None}
        parent = {"subscription_details": details, "type": "subscription_details"}
    made = blank(
        "invoiceitem",
        id=new_id("ii"),
        amount=amount,
        currency=currency,
        customer=customer,
        date=account.clock.now(),
        net_amount=amount,
        parent=parent,
        _subscription=subscription,
    )
    return account.add(made | more)


def pending_items(account: Account, customer: str, subscription: str | None) -> list[Json]:
    """Return what waits for this invoice: the customer's items, without those of other subscriptions."""
    waiting = account.where("invoiceitem", customer=customer, invoice=None)
    return [each for each in waiting if each["_subscription"] in {None, subscription}]


def delete_invoice_item(account: Account, given: Parameters, item: str) -> Json:
    """DELETE /v1/invoiceitems/{id}: one that still waits, or is on a draft."""
    given.only()
    known = account.find("invoiceitem", item)
    invoice = account.get("invoice", known["invoice"])
    if invoice and invoice["status"] != "draft":
        raise StripeError("This invoice item is on an invoice and can no longer be deleted.")
    if invoice:
        _take_off(invoice, known)
    account.drop(known)
    account.emit("invoiceitem.deleted", known)
    return {"id": item, "object": "invoiceitem", "deleted": True}


def _take_off(draft: Json, item: Json) -> None:
    draft["lines"]["data"] = [
        each
        for each in draft["lines"]["data"]
        if (each["parent"]["invoice_item_details"] or {}).get("invoice_item") != item["id"]
    ]
    for name in ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"):
        draft[name] -= item["amount"]
    draft["amount_due"] = draft["amount_remaining"] = max(draft["total"], 0)


def list_invoice_items(account: Account, given: Parameters) -> Json:
    """GET /v1/invoiceitems."""
    given.only(*PAGE, "created", "customer", "invoice", "pending")
    if customer := given.text("customer"):
        find_customer(account, customer, "customer")
    found, pending = account.all("invoiceitem"), given.flag("pending")
    for name in ("customer", "invoice"):
        if given.text(name):
            found = [each for each in found if each[name] == given.text(name)]
    if pending is not None:
        found = [each for each in found if (each["invoice"] is None) is pending]
    dated = in_range([each | {"created": each["date"]} for each in found], given, "created")
    shown = [each for each in found if each["id"] in {one["id"] for one in dated}]
    return make_page(account, shown, given, "invoiceitem", "/v1/invoiceitems")
