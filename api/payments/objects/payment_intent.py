"""PaymentIntents: the money of one payment, whatever page it is paid on."""

from sqlalchemy.orm import Session

from api.payments.client import call
from api.payments.effects import Effects
from api.payments.facts import IntentFacts
from api.payments.object_base import StripeObject
from api.payments.owners import INTENT, link_customer, link_id, lock_owner
from api.payments.settle import PaidFacts, settle_failed, settle_paid
from configs.clock import clock


class PaymentIntent(StripeObject):
    """Settles the order of a short plan too, in case its session's events are lost."""

    event_types = (
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.partially_funded",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    )

    def fetch(self, object_id: str) -> IntentFacts:
        """Read the PaymentIntent."""
        return IntentFacts.of(call(lambda c: c.v1.payment_intents.retrieve(object_id)))

    def apply(self, session: Session, facts: IntentFacts) -> Effects:
        """Settle the order where it is paid or cancelled; a refused card may be followed by another one."""
        payment = lock_owner(session, facts.id, facts.metadata)
        if payment.subscription_id:  # its invoice says which period it pays for, and by which PaymentIntent
            return Effects()
        link_id(session, facts.id, INTENT, payment)
        link_customer(session, payment, facts.customer)
        if facts.status == "succeeded":
            # Only its session knows the discount.
            return settle_paid(
                session, payment, PaidFacts(clock(), facts.amount_received, facts.currency, None)
            )
        if facts.status == "canceled":
            return settle_failed(session, payment, clock(), facts.status)
        return Effects()
