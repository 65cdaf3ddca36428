"""Charges: a card's account at Stripe, whose refunds may be ours or the dashboard's."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from api.payments.client import call
from api.payments.effects import Effects
from api.payments.errors import UnknownOwner
from api.payments.executors import list_refunds
from api.payments.facts import ChargeFacts, RefundFacts
from api.payments.object_base import StripeObject
from api.payments.owners import find_payment_id, find_refund_id
from api.payments.refunds import record_refund


@dataclass(frozen=True, slots=True)
class RefundedCharge:
    """A charge and all refunds of its payment."""

    charge: ChargeFacts
    refunds: list[RefundFacts]


class Charge(StripeObject):
    """Records the refunds of its payment."""

    event_types = ("charge.refunded",)

    def fetch(self, object_id: str) -> RefundedCharge:
        """Read the charge, then the refunds of its payment."""
        charge = ChargeFacts.of(call(lambda c: c.v1.charges.retrieve(object_id)))
        return RefundedCharge(charge, list_refunds(charge.payment_intent) if charge.payment_intent else [])

    def apply(self, session: Session, facts: RefundedCharge) -> Effects:
        """Record each refund, the oldest first."""
        payment_id = find_payment_id(session, facts.charge.payment_intent)
        if payment_id is None:
            raise UnknownOwner(f"no payment has the charge {facts.charge.id}")
        effects = Effects()
        for refund in sorted(facts.refunds, key=lambda each: (each.created, each.id)):
            known = find_refund_id(session, refund.id, refund.metadata)
            effects.add(record_refund(session, payment_id, refund, known))
        return effects
