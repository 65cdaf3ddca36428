"""Refunds, disputes (a card's holder asked the bank for the money, or a part), and early warnings of fraud."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentEvent, PaymentEventKind
from api.payments import notices
from api.payments.client import call
from api.payments.facts import ChargeFacts, DisputeFacts, FraudWarningFacts, RefundFacts
from api.payments.grants import end_paid_plan
from api.payments.ledger import add_event, find_refund_id, lock_owner
from api.payments.notices import Effects
from api.payments.objects import StripeObject
from api.payments.postings import post_dispute, post_revival
from api.payments.refunds import drop_disputed_refunds, note_returned_money, note_whole_refund, record_refund
from configs.ground.clock import clock

# Stripe's words for an end; by all others (`warning_…`, `needs_response`, `appeal_…`, …) it is open.
_ENDS = {
    "won": PaymentEventKind.DISPUTE_WON,
    "lost": PaymentEventKind.DISPUTE_LOST,
    "warning_closed": PaymentEventKind.DISPUTE_CLOSED,
    "prevented": PaymentEventKind.DISPUTE_CLOSED,
}
_KEPT = (PaymentEventKind.DISPUTE_WON, PaymentEventKind.DISPUTE_CLOSED)  # ends by which the money stayed
# What can follow such an end: the bank appeals, or an inquiry becomes a dispute.
_AGAIN = {
    PaymentEventKind.DISPUTE_WON: ("appeal_needs_response", "appeal_under_review", "lost"),
    PaymentEventKind.DISPUTE_CLOSED: ("needs_response", "under_review", "lost", "won"),
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
        name = _name_round(session, payment, facts)
        details = {"amount": facts.amount, "reason": facts.reason}
        told = f"{facts.id} of payment {payment.id}: {facts.amount} cents, {facts.reason}"
        if add_event(session, payment, PaymentEventKind.DISPUTE_OPENED, facts.created, name, **details):
            key = f"dispute:{name}"
            effects.mails += notices.tell_admins(session, "dispute_opened", told, key=key)
        post_dispute(session, payment, facts, name)
        end = _ENDS.get(facts.status)
        if end is None or not add_event(session, payment, end, clock(), name, **details):
            return effects
        effects.mails += notices.tell_admins(session, end, told, key=f"dispute:{name}:{facts.status}")
        if end is PaymentEventKind.DISPUTE_LOST:
            drop_disputed_refunds(session, payment, facts.amount)
            if note_whole_refund(session, payment):
                effects.add(end_paid_plan(session, payment, clock()))
                post_revival(session, payment.id, f"{name}:lost")
        if end is PaymentEventKind.DISPUTE_WON:
            note_returned_money(session, payment, name)
        return effects


def _name_round(session: Session, payment: Payment, facts: DisputeFacts) -> str:
    """Return the dispute's id, with a number behind it where it goes on after it had ended for us."""
    mine = sa.select(PaymentEvent).where(
        PaymentEvent.payment_id == payment.id,
        PaymentEvent.kind.in_((PaymentEventKind.DISPUTE_OPENED, *_KEPT)),
        sa.func.split_part(PaymentEvent.subject, ":", 1) == facts.id,
    )
    known = session.scalars(mine.order_by(PaymentEvent.id)).all()
    ends = [each for each in known if each.kind in _KEPT]
    goes_on = len(known) > 2 * len(ends) or not ends or facts.status in _AGAIN[ends[-1].kind]
    number = len(ends) if goes_on else len(ends) - 1
    return f"{facts.id}:{number}" if number else facts.id


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
