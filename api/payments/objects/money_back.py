"""Refunds, disputes (a card's holder asked the bank for the money, or a part), and early warnings of fraud."""

from sqlalchemy.orm import Session

from api.models.payment import PaymentEventKind
from api.payments import notices
from api.payments.client import call
from api.payments.effects import Effects
from api.payments.facts import ChargeFacts, DisputeFacts, FraudWarningFacts, RefundFacts
from api.payments.grants import end_paid_plan
from api.payments.ledger import add_event
from api.payments.objects import StripeObject
from api.payments.owners import find_refund_id, lock_owner
from api.payments.postings import post_dispute, post_revival
from api.payments.refunds import drop_disputed_refunds, note_returned_money, note_whole_refund, record_refund
from configs.clock import clock

# Stripe's words for an end; by all others (`warning_…`, `needs_response`, `appeal_…`, …) it is open.
_ENDS = {
    "won": PaymentEventKind.DISPUTE_WON,
    "lost": PaymentEventKind.DISPUTE_LOST,
    "warning_closed": PaymentEventKind.DISPUTE_CLOSED,
    "prevented": PaymentEventKind.DISPUTE_CLOSED,
}


class Dispute(StripeObject):
    """Tells the admins when one opens and how it ends."""

    event_types = (
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
    )

    def fetch(self, object_id: str) -> DisputeFacts:
        """Read the dispute."""
        return DisputeFacts.of(call(lambda c: c.v1.disputes.retrieve(object_id)))

    def apply(self, session: Session, facts: DisputeFacts) -> Effects:
        """Add its events to its payment."""
        payment = lock_owner(session, facts.payment_intent)
        effects = Effects()
        details = {"amount": facts.amount, "reason": facts.reason}
        told = f"{facts.id} of payment {payment.id}: {facts.amount} cents, {facts.reason}"
        if add_event(session, payment, PaymentEventKind.DISPUTE_OPENED, facts.created, facts.id, **details):
            key = f"dispute:{facts.id}"
            effects.mails += notices.tell_admins(session, "dispute_opened", told, key=key)
        post_dispute(session, payment, facts)
        end = _ENDS.get(facts.status)
        if end is None or not add_event(session, payment, end, clock(), facts.id, **details):
            return effects
        effects.mails += notices.tell_admins(session, end, told, key=f"dispute:{facts.id}:{facts.status}")
        if end is PaymentEventKind.DISPUTE_LOST:
            drop_disputed_refunds(session, payment, facts.amount)
            if note_whole_refund(session, payment):
                effects.add(end_paid_plan(session, payment, clock()))
                post_revival(session, payment.id, f"{facts.id}:lost")
        if end is PaymentEventKind.DISPUTE_WON:
            note_returned_money(session, payment, facts.id)
        return effects


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
