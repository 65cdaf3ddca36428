"""Invoice items: amounts that wait for a customer's next invoice; a negative one is a credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from deploy.sandbox.stripe.objects import Json, StripeError, blank, new_id
from deploy.sandbox.stripe.parameters import list_kind

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

ITEM_FIELDS: Final = ("amount", "currency", "customer", "description", "metadata", "subscription")


def create_invoice_item(account: Account, given: Parameters) -> Json:
    """POST /v1/invoiceitems: an amount for the next invoice, of the subscription where one is named."""
    given.only(*ITEM_FIELDS)
    customer = account.find("customer", given.needed_text("customer"), "customer")["id"]
    amount, moment, parent = given.needed_number("amount"), account.clock.now(), None
    if subscription := given.text("subscription"):
        if account.find("subscription", subscription, "subscription")["customer"] != customer:
            raise StripeError("The subscription is another customer's.", param="subscription")
        details = {"subscription": subscription, "subscription_item": None}
        parent = {"subscription_details": details, "type": "subscription_details"}
    made = blank(
        "invoiceitem",
        id=new_id("ii"),
        amount=amount,
        currency=(given.text("currency") or "eur").lower(),
        customer=customer,
        date=moment,
        description=given.text("description"),
        metadata=given.metadata(),
        net_amount=amount,
        parent=parent,
        period={"start": moment, "end": moment},
        _subscription=subscription,
    )
    return account.make("invoiceitem.created", made)


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
    lines = draft["lines"]["data"]
    bears = [
        (each["parent"]["invoice_item_details"] or {}).get("invoice_item") == item["id"] for each in lines
    ]
    draft["lines"]["data"] = [line for line, bears_it in zip(lines, bears, strict=True) if not bears_it]
    for name in ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"):
        draft[name] -= item["amount"]
    draft["amount_due"] = draft["amount_remaining"] = max(draft["total"], 0)


def list_invoice_items(account: Account, given: Parameters) -> Json:
    """GET /v1/invoiceitems; those of a deleted customer are refused."""
    if customer := given.text("customer"):
        account.find("customer", customer, "customer")
    return list_kind(account, given, "invoiceitem", "/v1/invoiceitems", "customer")
