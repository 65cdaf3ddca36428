"""Invoices: draft → open → paid; or void. How their money is collected is in ``collection``.

Since 2025-03-31 an invoice names its subscription in ``parent`` and its payments in ``payments``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.listing import PAGE, in_range, make_page, read_limit
from deploy.sandbox.stripe.objects import Json, make_list, new_id
from deploy.sandbox.stripe.resources.coupons import amount_off
from deploy.sandbox.stripe.resources.customers import change_balance
from deploy.sandbox.stripe.resources.invoice_items import pending_items
from deploy.sandbox.stripe.resources.payment_intents import add_payment_intent, cancel_intent
from deploy.sandbox.stripe.shapes import blank

if TYPE_CHECKING:
    from deploy.sandbox.stripe.account import Account
    from deploy.sandbox.stripe.parameters import Parameters

_LEAST_CENTS: Final = 50  # less is added to the customer's balance


def draft_invoice(
    account: Account, subscription: Json, lines: list[Json], reason: str, coupon: Json | None = None
) -> Json:
    """Make a draft of the customer's pending items, the newest first, and these lines, as Stripe sorts them."""
    customer = account.find("customer", subscription["customer"])
    identifier, moment = new_id("in"), account.clock.now()
    lines = [*_take_pending(account, subscription, identifier)[::-1], *lines]
    details = {"metadata": subscription["metadata"], "subscription": subscription["id"]}
    made = blank(
        "invoice",
        id=identifier,
        billing_reason=reason,
        created=moment,
        currency=subscription["currency"],
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        lines=make_list(lines, f"/v1/invoices/{identifier}/lines"),
        parent={"quote_details": None, "subscription_details": details, "type": "subscription_details"},
        period_end=moment,
        period_start=moment,
        _subscription=subscription["id"],
        _payments=[],
    )
    for line in lines:
        line["invoice"] = identifier
    kept = account.add(made | _amounts(account, made, coupon))
    account.emit("invoice.created", kept)
    return kept


def make_line(amount: int, currency: str, period: tuple[int, int], **more: Any) -> Json:
    """Build a line of an invoice."""
    made = blank("line_item", id=new_id("il"), amount=amount, currency=currency, subtotal=amount)
    return made | {"period": {"start": period[0], "end": period[1]}} | more


def finalize_invoice(
    account: Account, invoice: Json, *, use_balance: bool = True, intent: Json | None = None
) -> Json:
    """Number a draft, settle it with the customer's balance, and ask for the rest by a payment intent."""
    customer = account.find("customer", invoice["customer"])
    before = customer["balance"] if use_balance else 0
    owed = invoice["total"] + before
    due = owed if owed >= _LEAST_CENTS else 0
    if use_balance and owed - due != before:
        kind = "invoice_too_small" if owed > 0 else "applied_to_invoice"
        change_balance(account, customer, owed - due - before, kind, invoice=invoice["id"])
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    customer["next_invoice_sequence"] += 1
    invoice["status_transitions"]["finalized_at"] = account.clock.now()
    values: Json = {
        "amount_due": due,
        "amount_remaining": due,
        "effective_at": account.clock.now(),
        "ending_balance": owed - due if use_balance else customer["balance"],
        "hosted_invoice_url": f"{account.origin}/i/{invoice['id']}",
        "number": number,
        "starting_balance": customer["balance"] if not use_balance else before,
        "status": "open",
    }
    account.change(invoice, "invoice.finalized", automatically_finalizes_at=None, **values)
    if due:
        _ask_payment(account, invoice, intent)
    return invoice


def mark_paid(account: Account, invoice: Json) -> None:
    """Count an open invoice as paid in full."""
    invoice["status_transitions"]["paid_at"] = account.clock.now()
    due = invoice["amount_due"]
    invoice |= {"status": "paid", "amount_paid": due, "amount_remaining": 0, "attempted": True}
    invoice |= {"next_payment_attempt": None, "auto_advance": False}
    for payment in payments_of(account, invoice):
        payment["status_transitions"]["paid_at"] = account.clock.now()
        account.change(payment, "invoice_payment.paid", status="paid", amount_paid=due)
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)


def payments_of(account: Account, invoice: Json) -> list[Json]:
    """Return an invoice's payments."""
    return [account.find("invoice_payment", each) for each in invoice["_payments"]]


def intent_of(account: Account, invoice: Json) -> Json | None:
    """Return the payment intent that an invoice is paid by; None where nothing was due."""
    payments = payments_of(account, invoice)
    return account.find("payment_intent", payments[0]["payment"]["payment_intent"]) if payments else None


def void_invoice(account: Account, given: Parameters, invoice: str) -> Json:
    """POST /v1/invoices/{id}/void."""
    given.only()
    known = account.find("invoice", invoice)
    if known["status"] not in {"open", "uncollectible"}:
        raise StripeError(f"You can only pass in open invoices. This invoice is {known['status']}.")
    intent = intent_of(account, known)
    if intent is not None and intent["status"] != "processing":
        cancel_intent(account, intent, "void_invoice")
    known["status_transitions"]["voided_at"] = account.clock.now()
    return account.change(
        known, "invoice.voided", status="void", next_payment_attempt=None, auto_advance=False
    )


def list_invoices(account: Account, given: Parameters) -> Json:
    """GET /v1/invoices."""
    given.only(*PAGE, "created", "customer", "status", "subscription", "collection_method")
    found = in_range(account.all("invoice"), given, "created")
    for name in ("customer", "status", "collection_method"):
        found = [each for each in found if given.text(name) in {None, each[name]}]
    found = [each for each in found if given.text("subscription") in {None, each["_subscription"]}]
    return make_page(account, found, given, "invoice", "/v1/invoices")


def list_lines(account: Account, given: Parameters, invoice: str) -> Json:
    """GET /v1/invoices/{id}/lines: in the order of the invoice."""
    given.only("limit", "starting_after")
    lines, after = account.find("invoice", invoice)["lines"]["data"], given.text("starting_after")
    ids = [each["id"] for each in lines]
    if after and after not in ids:
        raise StripeError(f"No such line item: '{after}'", param="starting_after")
    rest = lines[ids.index(after) + 1 :] if after else lines
    limit = read_limit(given)
    return make_list(rest[:limit], f"/v1/invoices/{invoice}/lines", has_more=len(rest) > limit)


def list_invoice_payments(account: Account, given: Parameters) -> Json:
    """GET /v1/invoice_payments."""
    payment = given.nested("payment").only("payment_intent", "type")
    found = in_range(account.all("invoice_payment"), given, "created")
    for name in ("invoice", "status"):
        found = [each for each in found if given.text(name) in {None, each[name]}]
    intent = payment.text("payment_intent")
    found = [each for each in found if intent in {None, each["payment"]["payment_intent"]}]
    given.only(*PAGE, "created", "invoice", "payment", "status")
    return make_page(account, found, given, "invoice_payment", "/v1/invoice_payments")


def list_of_payments(account: Account, invoice: Json) -> Json:
    """Return an invoice's payments as a list object."""
    url = f"/v1/invoice_payments?invoice={invoice['id']}"
    return make_list(payments_of(account, invoice), url)


def _amounts(account: Account, invoice: Json, coupon: Json | None) -> Json:
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    off = amount_off(coupon, sum(line["amount"] for line in lines if line["discountable"]))
    more: Json = {"discounts": [], "total_discount_amounts": []}
    if coupon and off:
        discount = _add_discount(account, invoice, coupon)
        more = {
            "discounts": [discount["id"]],
            "total_discount_amounts": [{"amount": off, "discount": discount["id"]}],
        }
    total = subtotal - off
    due = max(total, 0)
    amounts = {"subtotal": subtotal, "subtotal_excluding_tax": subtotal, "total": total}
    return amounts | {"total_excluding_tax": total, "amount_due": due, "amount_remaining": due} | more


def _add_discount(account: Account, invoice: Json, coupon: Json) -> Json:
    made = blank(
        "discount",
        id=new_id("di"),
        customer=invoice["customer"],
        invoice=invoice["id"],
        source={"coupon": coupon["id"], "type": "coupon"},
        start=account.clock.now(),
        subscription=invoice["_subscription"],
    )
    return account.add(made)


def _take_pending(account: Account, subscription: Json, invoice: str) -> list[Json]:
    lines = []
    for item in pending_items(account, subscription["customer"], subscription["id"]):
        item["invoice"] = invoice
        details = {
            "invoice_item": item["id"],
            "proration": item["proration"],
            "proration_details": None,
            "subscription": item["_subscription"],
        }
        parent = {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
        period = (item["period"]["start"], item["period"]["end"])
        told = {"description": item["description"], "metadata": item["metadata"], "parent": parent}
        line = make_line(item["amount"], item["currency"], period, **told)
        lines.append(line | {"discountable": False})
    return lines


def _ask_payment(account: Account, invoice: Json, intent: Json | None) -> None:
    if intent is None:
        told = {"customer": invoice["customer"], "description": f"Facture {invoice['number']}"}
        intent = add_payment_intent(account, invoice["amount_due"], invoice["currency"], **told)
    made = blank(
        "invoice_payment",
        id=new_id("inpay"),
        amount_requested=invoice["amount_due"],
        created=account.clock.now(),
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"payment_intent": intent["id"], "type": "payment_intent"},
        status_transitions={"canceled_at": None, "paid_at": None},
    )
    account.add(made)
    invoice["_payments"].append(made["id"])
