"""Checkout Sessions, the page at Stripe on which an order is paid, and PaymentIntents, the money of one payment."""

from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentEventKind
from api.payments.client import call
from api.payments.effects import Effects
from api.payments.facts import IntentFacts, SessionFacts
from api.payments.ledger import add_event
from api.payments.objects import StripeObject
from api.payments.owners import INTENT, SESSION, link_customer, link_id, lock_owner
from api.payments.settle import PaidFacts, settle_failed, settle_paid
from api.payments.subscriptions import ensure_subscription
from configs.ground.clock import clock

_PAID = ("paid", "no_payment_required")
_NEVER_PAID = ("requires_payment_method", "canceled")  # of a PaymentIntent whose session is complete


class CheckoutSession(StripeObject):
    """An order of a short plan is paid by its session; that of a subscription by its first invoice."""

    event_types = (
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
    )

    def fetch(self, object_id: str) -> SessionFacts:
        """Read the session with its PaymentIntent."""
        expand = {"expand": ["payment_intent"]}
        return SessionFacts.of(call(lambda c: c.v1.checkout.sessions.retrieve(object_id, expand)))  # type: ignore[arg-type]

    def apply(self, session: Session, facts: SessionFacts) -> Effects:
        """Link its ids to the order, and settle the order."""
        payment = lock_owner(session, facts.id, facts.metadata)
        payment.synced_at = clock()
        _link(session, payment, facts)
        if facts.status == "expired":
            add_event(session, payment, PaymentEventKind.EXPIRED, clock())
        if facts.status != "complete" or facts.mode != "payment":
            return Effects()
        return _settle(session, payment, facts)


def _settle(session: Session, payment: Payment, facts: SessionFacts) -> Effects:
    if facts.payment_status in _PAID:
        paid = PaidFacts(clock(), facts.amount_total or 0, facts.currency, facts.discount)
        return settle_paid(session, payment, paid)
    intent = facts.payment_intent
    if isinstance(intent, IntentFacts) and intent.status in _NEVER_PAID:
        return settle_failed(session, payment, clock(), intent.status)
    return Effects()  # a bank debit that takes days


def _link(session: Session, payment: Payment, facts: SessionFacts) -> None:
    link_id(session, facts.id, SESSION, payment)
    if isinstance(facts.payment_intent, IntentFacts):
        link_id(session, facts.payment_intent.id, INTENT, payment)
    link_id(session, facts.invoice, "invoice", payment)
    if facts.subscription:
        ensure_subscription(session, payment, facts.subscription)
    link_customer(session, payment, facts.customer)


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
