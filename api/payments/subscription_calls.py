"""Stripe's calls about subscriptions."""

from api.payments.cancellations import CancelCall
from api.payments.client import call
from configs.clock import clock


def cancel_subscription(wanted: CancelCall) -> None:
    """End a subscription now, or let it end at an instant. Money for unused days is a refund of its own.

    Raises:
        api.payments.errors.StripeAway: no answer.
        api.payments.errors.StripeRefused: it has ended already.
    """
    if wanted.at <= clock():
        call(lambda c: c.v1.subscriptions.cancel(wanted.stripe_id, {"prorate": False, "invoice_now": False}))
    else:
        at = int(wanted.at.timestamp())
        call(
            lambda c: c.v1.subscriptions.update(
                wanted.stripe_id, {"cancel_at": at, "proration_behavior": "none"}
            )
        )
