"""Stripe's call for a credit on a subscription's next invoice."""

from typing import Any
from uuid import UUID

from api.payments.client import call
from api.payments.facts import Facts, read_list

CREDIT_KEY = "watch_credit"  # in the metadata: the id of our row


class _Item(Facts):
    id: str
    metadata: dict[str, str] | None = None


def add_to_invoice(credit_id: UUID, customer: str, subscription: str, cents: int, *, repeated: bool) -> None:
    """Take an amount off the next invoice, once: a repeated call looks first, as Stripe forgets keys after 24 hours.

    Raises:
        api.payments.errors.StripeAway: no answer; it may be taken off.
        api.payments.errors.StripeRefused: the subscription has ended.
    """
    name = str(credit_id)
    if repeated:
        wanted: Any = {"customer": customer, "limit": 100}
        made: list[_Item] = call(lambda client: read_list(client.v1.invoice_items.list(wanted), _Item))
        if any((each.metadata or {}).get(CREDIT_KEY) == name for each in made):
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
