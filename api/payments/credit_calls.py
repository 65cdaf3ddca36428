"""Stripe's calls for a credit on a subscription's next invoice: the item that waits for it, and taking it back."""

from typing import Any
from uuid import UUID

from api.payments.client import call
from api.payments.facts import Facts, Metadata, read_list
from api.payments.owners import CREDIT_KEY


class _Item(Facts):
    id: str
    invoice: str | None
    metadata: Metadata = None


class _Invoice(Facts):
    id: str
    status: str | None


def add_to_invoice(credit_id: UUID, customer: str, subscription: str, cents: int, *, repeated: bool) -> None:
    """Take an amount off the next invoice, once: a repeated call looks first, as Stripe forgets keys after 24 hours.

    Raises:
        api.payments.errors.StripeAway: no answer; it may be taken off.
        api.payments.errors.StripeRefused: the subscription has ended.
    """
    name = str(credit_id)
    if repeated and _find_item(credit_id, customer):
        return
    params: Any = {
        "customer": customer,
        "subscription": subscription,
        "amount": -cents,
        "currency": "eur",
        "description": "Temps sans surveillance",
        "metadata": {CREDIT_KEY: name},
    }
    options: Any = {"idempotency_key": f"watch-credit-{name}"}
    call(lambda client: client.v1.invoice_items.create(params, options))


def take_back(credit_id: UUID, customer: str, *, ended: bool) -> bool:
    """Have no invoice lowered by a credit any more; return whether that is so, and it can be paid in money.

    `ended`: the subscription is over, so that its invoice, if one bears the credit, is not collected any more: it is
    voided. Otherwise that invoice decides: paid, the credit was given.

    Raises:
        api.payments.errors.StripeAway: no answer.
        api.payments.errors.StripeRefused: what was read is old by now.
    """
    item = _find_item(credit_id, customer)
    if item is None:
        return True
    invoice_id = item.invoice
    if invoice_id is None:
        call(lambda client: client.v1.invoice_items.delete(item.id))
        return True
    invoice = _Invoice.of(call(lambda client: client.v1.invoices.retrieve(invoice_id)))
    if invoice.status in ("void", "uncollectible"):
        return True
    if not ended or invoice.status == "paid":
        return False
    if invoice.status == "draft":
        call(lambda client: client.v1.invoice_items.delete(item.id))
    else:
        call(lambda client: client.v1.invoices.void_invoice(invoice_id))
    return True


def _find_item(credit_id: UUID, customer: str) -> _Item | None:
    wanted: Any = {"customer": customer, "limit": 100}
    made: list[_Item] = call(lambda client: read_list(client.v1.invoice_items.list(wanted), _Item))
    return next((each for each in made if (each.metadata or {}).get(CREDIT_KEY) == str(credit_id)), None)
