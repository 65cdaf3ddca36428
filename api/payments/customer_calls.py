"""Stripe's calls about customers."""

from api.payments.client import call
from api.payments.errors import StripeRefused

_MISSING = "resource_missing"  # deleted before


def delete_customer(customer: str) -> None:
    """Delete a customer with name, address and cards; payments stay, and refunds of them work on.

    Raises:
        api.payments.errors.StripeAway: no answer.
        api.payments.errors.StripeRefused: it is not deleted.
    """
    try:
        call(lambda client: client.v1.customers.delete(customer))
    except StripeRefused as error:
        if error.code != _MISSING:
            raise
