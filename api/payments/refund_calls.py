"""Stripe's calls about refunds."""

from api.payments.client import call
from api.payments.errors import StripeRefused
from api.payments.facts import RefundFacts, read_list
from api.payments.owners import PAYMENT_KEY, REFUND_KEY
from api.payments.refunds import RefundCall


def create_refund(wanted: RefundCall) -> RefundFacts:
    """Have a refund made, or return the one that was made for the same row before.

    Stripe forgets an idempotency key after 24 hours, so a repeated call looks for the refund first.

    Raises:
        api.payments.errors.StripeAway: no answer; it may have been made.
        api.payments.errors.StripeRefused: nothing was given back.
    """
    intent = wanted.payment_intent
    if intent is None:
        raise StripeRefused("no_payment_intent", "Stripe's id of this payment is not known here")
    name = str(wanted.refund_id)
    if wanted.repeated:
        made = list_refunds(intent)
        if found := next((each for each in made if (each.metadata or {}).get(REFUND_KEY) == name), None):
            return found
    created = call(
        lambda client: client.v1.refunds.create(
            {
                "payment_intent": intent,
                "amount": wanted.amount_cents,
                "reason": "requested_by_customer",
                "metadata": {REFUND_KEY: name, PAYMENT_KEY: str(wanted.payment_id)},
            },
            {"idempotency_key": f"refund-{name}"},
        )
    )
    return RefundFacts.of(created)


def list_refunds(payment_intent: str) -> list[RefundFacts]:
    """Return all refunds of a payment, those of the dashboard too."""
    found: list[RefundFacts] = call(
        lambda client: read_list(
            client.v1.refunds.list({"payment_intent": payment_intent, "limit": 100}), RefundFacts
        )
    )
    return found
