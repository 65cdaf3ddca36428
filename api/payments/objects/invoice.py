"""Invoices of subscriptions: the first belongs to the order, each later one is the payment of a renewal."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.payment import Payment, PaymentEventKind, PaymentStatus, Subscription
from api.payments import notices
from api.payments.client import call
from api.payments.effects import Effects
from api.payments.errors import UnknownOwner
from api.payments.facts import FIRST_MONTH, InvoiceFacts, InvoicePayment, Line, read_list
from api.payments.grants import end_paid_plan, find_paid_end, give_grace
from api.payments.ledger import add_event, lock_payment
from api.payments.objects import StripeObject
from api.payments.owners import CREDIT_KEY, find_payment_id, link_customer, link_id, link_intent, read_id
from api.payments.settle import PaidFacts, find_wanted_end, settle_failed, settle_paid
from api.payments.subscriptions import ensure_subscription
from api.payments.watch_credits import ask_again, note_borne
from configs.ground.clock import clock

_RENEWAL = "subscription_cycle"
_UNPAID = (PaymentStatus.PENDING, PaymentStatus.FAILED)


class Invoice(StripeObject):
    """Paid, it gives the plan for its period; before that, and refused, a renewal leaves days of grace."""

    event_types = (
        "invoice.created",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.payment_succeeded",
        "invoice.voided",
    )

    def fetch(self, object_id: str) -> InvoiceFacts:
        """Read the invoice with all its lines and payments; Stripe shows the first ten of each."""
        expand = {"expand": ["payments"]}
        facts = InvoiceFacts.of(call(lambda c: c.v1.invoices.retrieve(object_id, expand)))  # type: ignore[arg-type]
        page: Any = {"limit": 100}
        if facts.more_lines:
            lines = call(lambda c: read_list(c.v1.invoices.line_items.list(object_id, page), Line))
            facts = facts.model_copy(update={"lines": lines})
        if facts.more_payments:
            page |= {"invoice": object_id}
            paid = call(lambda c: read_list(c.v1.invoice_payments.list(page), InvoicePayment))
            facts = facts.model_copy(update={"payments": paid})
        return facts

    def apply(self, session: Session, facts: InvoiceFacts) -> Effects:
        """Find or write its payment, and settle that."""
        if facts.status == "draft" and not facts.auto_advance:
            return _give_up_draft(session, facts)
        payment = _find_payment(session, facts)
        if payment is None:
            return Effects()
        payment.synced_at = clock()
        link_id(session, facts.id, "invoice", payment)
        link_intent(session, facts.payment_intent, payment)
        link_customer(session, payment, facts.customer)  # its event may come before that of the session
        if facts.status == "paid":
            at = facts.paid_at or clock()
            _note_period(session, payment, facts)
            note_borne(session, payment, _list_credits(facts))
            paid = PaidFacts(at, facts.amount_paid, facts.currency, facts.discount, facts.period)
            return settle_paid(session, payment, paid)
        if facts.status in ("void", "uncollectible"):
            ask_again(session, _list_credits(facts))
            return settle_failed(session, payment, clock(), facts.status)
        if facts.billing_reason == _RENEWAL and facts.status in ("draft", "open"):
            return _bridge(session, payment, facts)
        return Effects()


def _list_credits(facts: InvoiceFacts) -> list[UUID]:
    """Return our credits that an invoice's lines name."""
    named = [read_id((line.metadata or {}).get(CREDIT_KEY)) for line in facts.lines]
    return [each for each in named if each]


def _find_payment(session: Session, facts: InvoiceFacts) -> Payment | None:
    """Return the payment of an invoice, locked; None for one that pays for no period of a subscription of ours."""
    if known := find_payment_id(session, facts.id):
        payment = lock_payment(session, known)
        _ensure_subscription(session, payment, facts)
        return payment
    origin = facts.origin
    order_id = find_payment_id(session, None, origin.metadata) if origin else None
    if origin is None or order_id is None:
        raise UnknownOwner(f"the invoice {facts.id} belongs to no subscription of ours")
    order = lock_payment(session, order_id)
    subscription = ensure_subscription(session, order, origin.subscription)
    if facts.billing_reason == FIRST_MONTH:
        return order
    if facts.billing_reason != _RENEWAL:
        return None  # such as the credit for unused days, which no grant follows from
    return _add_renewal(session, subscription, facts)


def _ensure_subscription(session: Session, payment: Payment, facts: InvoiceFacts) -> None:
    if facts.origin and payment.subscription_id is None:
        ensure_subscription(session, payment, facts.origin.subscription)


def _add_renewal(session: Session, subscription: Subscription, facts: InvoiceFacts) -> Payment:
    """Write the payment of a renewal; the lock of the order lets no other run write it too."""
    renewal_id = new_id()
    session.add(
        Payment(
            id=renewal_id,
            user_id=subscription.user_id,
            plan=subscription.plan,
            amount_cents=facts.amount_due,
            subscription_id=subscription.id,
            created_at=facts.created,
        )
    )
    session.flush()
    return lock_payment(session, renewal_id)


def _note_period(session: Session, payment: Payment, facts: InvoiceFacts) -> None:
    """Write the period of a subscription that was not read yet, so that its user can cancel it at once."""
    row = session.get(Subscription, payment.subscription_id) if payment.subscription_id else None
    if row and row.synced_at is None and facts.period:
        row.status, row.period_starts_at, row.period_ends_at = "active", facts.period.start, facts.period.end


def _bridge(session: Session, payment: Payment, facts: InvoiceFacts) -> Effects:
    """Let the plan go on for some days until a renewal is paid; once it is refused, tell the user each day.

    Stripe collects a renewal about an hour after the period began: without this no alert would go out meanwhile.
    """
    if payment.status not in _UNPAID or payment.user_id is None:
        return Effects()
    effects, now = Effects(), clock()
    payment.amount_cents = facts.amount_due
    if facts.is_refused_renewal:
        add_event(session, payment, PaymentEventKind.FAILED, now, reason="renewal refused")
        effects.mails += notices.tell_failure(session, payment, f"{now:%Y-%m-%d}")
    end = find_paid_end(session, payment.subscription_id) if payment.subscription_id else None
    wanted = find_wanted_end(session, payment)
    if end and not (wanted and wanted <= end):
        effects.add(give_grace(session, payment, end))
    return effects


def _give_up_draft(session: Session, facts: InvoiceFacts) -> Effects:
    """End what a renewal's draft began: its subscription was cancelled, and nobody collects it any more."""
    known = find_payment_id(session, facts.id)
    if known is None:
        return Effects()
    payment = lock_payment(session, known)
    payment.synced_at = clock()
    add_event(session, payment, PaymentEventKind.EXPIRED, clock())
    return end_paid_plan(session, payment, clock()) if payment.status in _UNPAID else Effects()
