"""Stripe's calls about subscriptions."""

from typing import TYPE_CHECKING

from api.payments.cancellations import CancelCall
from api.payments.client import call
from configs.clock import clock

if TYPE_CHECKING:
    from stripe.params import SubscriptionUpdateParams


def set_end(wanted: CancelCall) -> None:
    """End a subscription now or at an instant, or let it go on. Money for unused days is a refund of its own.

    Raises:
        api.payments.errors.StripeAway: no answer.
        api.payments.errors.StripeRefused: it has ended already.
    """
    if wanted.at and wanted.at <= clock():
        call(lambda c: c.v1.subscriptions.cancel(wanted.stripe_id, {"prorate": False, "invoice_now": False}))
    else:
        wish: SubscriptionUpdateParams = {
            "cancel_at": int(wanted.at.timestamp()) if wanted.at else "",
            "proration_behavior": "none",
        }
        call(lambda c: c.v1.subscriptions.update(wanted.stripe_id, wish))
