"""Refunds: whether the money arrived, or the bank sent it back."""

from sqlalchemy.orm import Session

from api.payments.client import call
from api.payments.effects import Effects
from api.payments.facts import RefundFacts
from api.payments.object_base import StripeObject
from api.payments.owners import find_refund_id, lock_owner
from api.payments.refunds import record_refund


class Refund(StripeObject):
    """Records one refund's present state."""

    event_types = ("refund.created", "refund.failed", "refund.updated")

    def fetch(self, object_id: str) -> RefundFacts:
        """Read the refund."""
        return RefundFacts.of(call(lambda c: c.v1.refunds.retrieve(object_id)))

    def apply(self, session: Session, facts: RefundFacts) -> Effects:
        """Record it with its payment."""
        payment = lock_owner(session, facts.payment_intent, facts.metadata)
        return record_refund(session, payment, facts, find_refund_id(session, facts.id, facts.metadata))
