"""Stripe's calls about refunds."""

from api.payments.client import call
from api.payments.errors import StripeAway, StripeRefused
from api.payments.facts import RefundFacts, read_list
from api.payments.owners import PAYMENT_KEY, REFUND_KEY
from api.payments.refunds import RefundCall

_KEYS = ("", "-1", "-2", "-3", "-4")  # how the idempotency keys of one refund end, in their order


def create_refund(wanted: RefundCall) -> RefundFacts:
    """Have a refund made, or return the one that was made for the same row before.

    Stripe forgets an idempotency key after 24 hours, so a repeated call looks for the refund first. Until then it
    repeats an error 500 that it gave for the key (https://docs.stripe.com/api/idempotent_requests), so that the next
    key follows.

    Raises:
        api.payments.errors.StripeAway: no answer; it may have been made.
        api.payments.errors.StripeRefused: nothing was given back.
    """
    intent = wanted.payment_intent
    if intent is None:
        raise StripeRefused("no_payment_intent", "Stripe's id of this payment is not known here")
    keys = [f"refund-{wanted.refund_id}{number}" for number in _KEYS]
    found = _find_refund(wanted, intent) if wanted.repeated else None
    while not found:
        try:
            return _create(wanted, intent, keys.pop(0))
        except StripeAway as error:
            if not (error.saved and keys):
                raise
            found = _find_refund(wanted, intent)
    return found


def _find_refund(wanted: RefundCall, intent: str) -> RefundFacts | None:
    name = str(wanted.refund_id)
    return next(
        (each for each in list_refunds(intent) if (each.metadata or {}).get(REFUND_KEY) == name), None
    )


def _create(wanted: RefundCall, intent: str, key: str) -> RefundFacts:
    created = call(
        lambda client: client.v1.refunds.create(
            {
                "payment_intent": intent,
                "amount": wanted.amount_cents,
                "reason": "requested_by_customer",
                "metadata": {REFUND_KEY: str(wanted.refund_id), PAYMENT_KEY: str(wanted.payment_id)},
            },
            {"idempotency_key": key},
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
