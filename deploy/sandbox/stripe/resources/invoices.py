"""Invoices: draft → open → paid, or void; and items, amounts that wait for a customer's next one (negative: a credit).

How their money is collected is in ``renewals``. Since 2025-03-31 an invoice names its subscription in ``parent`` and
its payments in ``payments``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from deploy.sandbox.stripe.objects import Json, StripeError, make_list, new_id
from deploy.sandbox.stripe.parameters import Currency, Metadata, Page, Parameters
from deploy.sandbox.stripe.resources.catalogue import amount_off
from deploy.sandbox.stripe.resources.payments import add_payment_intent

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account

_LEAST_CENTS: Final = 50  # less is added to the customer's balance


class NewItem(Parameters):
    """An amount for the next invoice, of the subscription where one is named."""

    customer: str
    amount: int
    currency: Currency = "eur"
    description: str | None = None
    metadata: Metadata = Field({})
    subscription: str | None = None


class Preview(Parameters):
    """Whose next invoice."""

    subscription: str


def draft_invoice(
    account: Account, subscription: Json, line: Json, reason: str, coupon: Json | None = None
) -> Json:
    """Make a draft of the customer's pending items, the newest first, and this line, as Stripe sorts them."""
    customer = account.find("customer", subscription["customer"])
    identifier, moment = new_id("in"), account.clock.now()
    waiting = _pending_items(account, customer["id"], subscription["id"])
    for item in waiting:
        item["invoice"] = identifier
    lines = [*_show_items(account, waiting)[::-1], line]
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    made = account.build(
        "invoice",
        id=identifier,
        billing_reason=reason,
        currency=subscription["currency"],
        lines=make_list(lines, f"/v1/invoices/{identifier}/lines"),
        parent={"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        _subscription=subscription["id"],
        _payments=[],
        period_end=moment,
        period_start=moment,
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
    )
    for each in lines:
        each["invoice"] = identifier
    made = account.add(made | _amounts(made, coupon))
    account.emit("invoice.created", made)
    return made


def make_period_line(account: Account, subscription: Json, cents: int, start: int, end: int) -> Json:
    """Build the line that a subscription's period costs."""
    item, period = subscription["items"]["data"][0], {"start": start, "end": end}
    details = {"subscription": subscription["id"], "subscription_item": item["id"]}
    parent = _name_parent("subscription_item_details", details)
    return _make_line(
        account, cents, subscription["currency"], period, parent=parent, quantity=item["quantity"]
    )


def _make_line(account: Account, amount: int, currency: str, period: Json, **more: Any) -> Json:
    about = {"amount": amount, "currency": currency, "subtotal": amount, "period": period}
    return account.build("line_item", **about, **more)


def _name_parent(kind: str, details: Json) -> Json:
    nothing = dict.fromkeys(("invoice_item_details", "subscription_item_details"))
    common = {"invoice_item": None, "proration": False, "proration_details": None}
    return {**nothing, kind: common | details, "type": kind}


def finalize_invoice(
    account: Account, invoice: Json, *, use_balance: bool = True, intent: Json | None = None
) -> None:
    """Number a draft, settle it with the customer's balance, and ask for the rest by a payment intent."""
    customer = account.find("customer", invoice["customer"])
    before = customer["balance"] if use_balance else 0
    owed = invoice["total"] + before
    due = owed if owed >= _LEAST_CENTS else 0
    if use_balance and owed - due != before:
        account.change(customer, "customer.updated", balance=owed - due)
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    values: Json = {"amount_due": due, "amount_remaining": due, "number": number, "status": "open"}
    account.change(invoice, "invoice.finalized", automatically_finalizes_at=None, **values)
    if due:
        _ask_payment(account, invoice, intent)


def mark_paid(account: Account, invoice: Json) -> None:
    """Count an open invoice as paid in full."""
    invoice["status_transitions"]["paid_at"] = account.clock.now()
    due = invoice["amount_due"]
    invoice |= {"status": "paid", "amount_paid": due, "amount_remaining": 0, "attempted": True}
    invoice |= {"next_payment_attempt": None, "auto_advance": False}
    for payment in _payments_of(account, invoice):
        payment["status_transitions"]["paid_at"] = account.clock.now()
        account.change(payment, "invoice_payment.paid", status="paid", amount_paid=due)
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)


def intent_of(account: Account, invoice: Json) -> Json | None:
    """Return the payment intent that an invoice is paid by; None where nothing was due."""
    payments = _payments_of(account, invoice)
    return account.find("payment_intent", payments[0]["payment"]["payment_intent"]) if payments else None


def void_invoice(account: Account, _given: Parameters, invoice: str) -> Json:
    """POST /v1/invoices/{id}/void."""
    known = account.find("invoice", invoice)
    if known["status"] not in {"open", "uncollectible"}:
        raise StripeError(f"You can only pass in open invoices. This invoice is {known['status']}.")
    intent = intent_of(account, known)
    if intent is not None and intent["status"] != "processing":
        account.change(intent, "payment_intent.canceled", status="canceled")
    over: Json = {"next_payment_attempt": None, "auto_advance": False}
    return account.change(known, "invoice.voided", status="void", **over)


def preview_invoice(account: Account, given: Preview) -> Json:
    """POST /v1/invoices/create_preview: what the next period and the pending items would cost; nothing is kept."""
    known = account.find("subscription", given.subscription, "subscription")
    if known["status"] == "canceled" or known["cancel_at"]:
        raise StripeError("No upcoming invoices for customer.", code="invoice_upcoming_none")
    item: Json = known["items"]["data"][0]
    end, cents = item["current_period_end"], item["price"]["unit_amount"] * item["quantity"]
    line = make_period_line(account, known, cents, end, end)
    waiting = _pending_items(account, known["customer"], known["id"])
    lines = [*_show_items(account, waiting)[::-1], line]
    made = account.build(
        "invoice",
        id=new_id("upcoming_in"),
        billing_reason="upcoming",
        currency=known["currency"],
        customer=known["customer"],
        lines=make_list(lines, "/v1/invoices/upcoming/lines"),
        period_end=end,
        period_start=end,
    )
    return made | _amounts(made, None)


def list_lines(account: Account, given: Page, invoice: str) -> Json:
    """GET /v1/invoices/{id}/lines."""
    lines = account.find("invoice", invoice)["lines"]
    return given.cut(lines["data"], lines["url"])


def list_of_payments(account: Account, invoice: Json) -> Json:
    """Return an invoice's payments as a list object."""
    return make_list(_payments_of(account, invoice), f"/v1/invoice_payments?invoice={invoice['id']}")


def create_invoice_item(account: Account, given: NewItem) -> Json:
    """POST /v1/invoiceitems."""
    account.find("customer", given.customer, "customer")
    moment, parent = account.clock.now(), None
    if given.subscription:
        if account.find("subscription", given.subscription, "subscription")["customer"] != given.customer:
            raise StripeError("The subscription is another customer's.", param="subscription")
        details = {"subscription": given.subscription, "subscription_item": None}
        parent = {"subscription_details": details, "type": "subscription_details"}
    return account.make(
        "invoiceitem.created",
        "invoiceitem",
        date=moment,
        net_amount=given.amount,
        parent=parent,
        period={"start": moment, "end": moment},
        _subscription=given.subscription,
        **given.model_dump(exclude={"expand", "subscription"}),
    )


def _pending_items(account: Account, customer: str, subscription: str | None) -> list[Json]:
    """Return what waits for this invoice: the customer's items, without those of other subscriptions."""
    waiting = account.where("invoiceitem", customer=customer, invoice=None)
    return [each for each in waiting if each["_subscription"] in {None, subscription}]


def delete_invoice_item(account: Account, _given: Parameters, item: str) -> Json:
    """DELETE /v1/invoiceitems/{id}: one that still waits, or is on a draft."""
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


def _payments_of(account: Account, invoice: Json) -> list[Json]:
    return [account.find("invoice_payment", each) for each in invoice["_payments"]]


def _amounts(invoice: Json, coupon: Json | None) -> Json:
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    off = amount_off(coupon, sum(line["amount"] for line in lines if line["discountable"]))
    more: Json = {"discounts": [], "total_discount_amounts": []}
    if coupon and off:
        discount = new_id("di")
        more = {"discounts": [discount], "total_discount_amounts": [{"amount": off, "discount": discount}]}
    total = subtotal - off
    due = max(total, 0)
    amounts = {"subtotal": subtotal, "subtotal_excluding_tax": subtotal, "total": total}
    return amounts | {"total_excluding_tax": total, "amount_due": due, "amount_remaining": due} | more


def _show_items(account: Account, items: list[Json]) -> list[Json]:
    """Return the lines that an invoice has of these items."""
    lines = []
    for item in items:
        details = {"invoice_item": item["id"], "subscription": item["_subscription"]}
        parent = _name_parent("invoice_item_details", details)
        told = {"description": item["description"], "metadata": item["metadata"], "discountable": False}
        lines.append(
            _make_line(account, item["amount"], item["currency"], item["period"], parent=parent, **told)
        )
    return lines


def _ask_payment(account: Account, invoice: Json, intent: Json | None) -> None:
    if intent is None:
        told = {"customer": invoice["customer"], "description": f"Facture {invoice['number']}"}
        intent = add_payment_intent(account, invoice["amount_due"], invoice["currency"], **told)
    made = account.new(
        "invoice_payment",
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"payment_intent": intent["id"], "type": "payment_intent"},
        status_transitions={"canceled_at": None, "paid_at": None},
    )
    invoice["_payments"].append(made["id"])
