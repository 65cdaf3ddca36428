"""Disputes: a card's holder asked the bank for the money, or a part. All of it lost, the plan ends."""

from sqlalchemy.orm import Session

from api.models.payment import PaymentEventKind
from api.payments import notices
from api.payments.client import call
from api.payments.effects import Effects
from api.payments.facts import DisputeFacts
from api.payments.grants import end_paid_plan
from api.payments.ledger import add_event
from api.payments.object_base import StripeObject
from api.payments.owners import lock_owner
from api.payments.postings import post_dispute, post_revival
from api.payments.refunds import drop_disputed_refunds, note_returned_money, note_whole_refund
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
