"""Early fraud warnings: the card's network suspects that its holder did not pay."""

from sqlalchemy.orm import Session

from api.models.payment import PaymentEventKind
from api.payments import notices
from api.payments.client import call
from api.payments.effects import Effects
from api.payments.facts import ChargeFacts, FraudWarningFacts
from api.payments.ledger import add_event
from api.payments.object_base import StripeObject
from api.payments.owners import lock_owner


class FraudWarning(StripeObject):
    """Tells the admins, who may give the money back before it is disputed."""

    event_types = ("radar.early_fraud_warning.created", "radar.early_fraud_warning.updated")

    def fetch(self, object_id: str) -> FraudWarningFacts:
        """Read the warning, and the payment of its charge."""
        warning = FraudWarningFacts.of(call(lambda c: c.v1.radar.early_fraud_warnings.retrieve(object_id)))
        if warning.payment_intent:
            return warning
        charge = ChargeFacts.of(call(lambda c: c.v1.charges.retrieve(warning.charge)))
        return warning.model_copy(update={"payment_intent": charge.payment_intent})

    def apply(self, session: Session, facts: FraudWarningFacts) -> Effects:
        """Add it to its payment's events."""
        payment = lock_owner(session, facts.payment_intent)
        kind = PaymentEventKind.FRAUD_WARNING
        if not add_event(session, payment, kind, facts.created, facts.id, type=facts.fraud_type):
            return Effects()
        told = f"{facts.id} of payment {payment.id}: {facts.fraud_type}"
        return Effects(mails=notices.tell_admins(session, "fraud_warning", told, key=f"fraud:{facts.id}"))
