"""Purchases: Checkout Sessions, on which an order is paid, PaymentIntents, invoices and subscriptions.

The first invoice of a subscription belongs to its order, each later one is the payment of a renewal.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.base import new_id
from api.models.payment import Payment, PaymentEventKind, PaymentStatus
from api.models.payment import Subscription as SubscriptionRow
from api.models.stripe_command import CommandKind
from api.payments import notices
from api.payments.client import call
from api.payments.errors import UnknownOwner
from api.payments.facts import (
    FIRST_MONTH,
    IntentFacts,
    InvoiceFacts,
    InvoicePayment,
    Line,
    SessionFacts,
    SubscriptionFacts,
    read_list,
)
from api.payments.grants import end_early_grace, end_paid_plan, find_paid_end, give_grace
from api.payments.ledger import (
    CREDIT_KEY,
    INTENT,
    SESSION,
    add_event,
    find_payment_id,
    find_subscription_id,
    link_customer,
    link_id,
    link_intent,
    lock_owner,
    lock_payment,
    read_id,
)
from api.payments.notices import Effects
from api.payments.objects import StripeObject
from api.payments.outbox import is_asked
from api.payments.settle import PaidFacts, find_wanted_end, settle_failed, settle_paid
from api.payments.subscriptions import ensure_subscription, undo_notices
from api.payments.watch_credits import ask_again, note_borne
from configs.ground.clock import clock

_PAID = ("paid", "no_payment_required")
_NEVER_PAID = ("requires_payment_method", "canceled")  # of a PaymentIntent whose session is complete
_RENEWAL = "subscription_cycle"
_UNPAID = (PaymentStatus.PENDING, PaymentStatus.FAILED)
_NOT_ASKED_FOR = ("payment_failed", "payment_disputed")  # Stripe's reasons; other mails tell of these


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
    """Return the payment of an invoice, locked; None for one that pays for no period of our subscriptions."""
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


def _add_renewal(session: Session, subscription: SubscriptionRow, facts: InvoiceFacts) -> Payment:
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
    row = session.get(SubscriptionRow, payment.subscription_id) if payment.subscription_id else None
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
    """End what a renewal's draft began: its subscription was cancelled, and it is not collected any more."""
    known = find_payment_id(session, facts.id)
    if known is None:
        return Effects()
    payment = lock_payment(session, known)
    payment.synced_at = clock()
    add_event(session, payment, PaymentEventKind.EXPIRED, clock())
    return end_paid_plan(session, payment, clock()) if payment.status in _UNPAID else Effects()


class Subscription(StripeObject):
    """Changes no grant: what was paid for stays until its end, unless the money goes back."""

    event_types = (
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
    )

    def fetch(self, object_id: str) -> SubscriptionFacts:
        """Read the subscription."""
        return SubscriptionFacts.of(call(lambda c: c.v1.subscriptions.retrieve(object_id)))

    def apply(self, session: Session, facts: SubscriptionFacts) -> Effects:
        """Write its present state into our row."""
        row = _find_row(session, facts)
        mails = _confirm_end(session, row, facts)
        row.status, row.synced_at = facts.status, clock()
        row.cancel_at, row.ended_at = facts.ends_at, facts.ended_at
        is_asked_for = is_asked(session, CommandKind.END, row.id)
        if row.cancel_wanted_at and not is_asked_for and not (facts.ended_at or facts.ends_at):
            row.cancel_wanted_at = None  # Stripe had agreed, and the user took it back in the portal
            undo_notices(session, row.id)
        if facts.ends_at:
            end_early_grace(session, row.id, facts.ends_at)
        if item := facts.item:
            row.period_starts_at, row.period_ends_at = item.current_period_start, item.current_period_end
        return Effects(mails=mails)


def _confirm_end(session: Session, row: SubscriptionRow, facts: SubscriptionFacts) -> list[UUID]:
    """Write the receipt of a cancellation in Stripe's portal or dashboard; those by our own routes have one already."""
    known = row.cancel_at or row.ended_at or row.cancel_wanted_at
    if known or is_asked(session, CommandKind.END, row.id):  # or just taken back
        return []
    if facts.ends_at is None or facts.end_reason in _NOT_ASKED_FOR:
        return []
    paid_until = find_paid_end(session, row.id)
    if paid_until is None:
        return []
    is_over = facts.ended_at is not None or paid_until <= clock()  # Stripe's period was not paid
    ends = paid_until if is_over else max(paid_until, facts.ends_at)
    asked_at = facts.canceled_at or ends
    return notices.confirm_cancellation(session, row, ends, 0, subject=asked_at.isoformat())


def _find_row(session: Session, facts: SubscriptionFacts) -> SubscriptionRow:
    """Return its row, locked against other objects that write it."""
    order_id = find_payment_id(session, None, facts.metadata)
    if order_id:
        return ensure_subscription(session, lock_payment(session, order_id), facts.id)
    known = find_subscription_id(session, facts.id)
    if known is None:
        raise UnknownOwner(f"the subscription {facts.id} was not ordered here")
    return session.get_one(SubscriptionRow, known, with_for_update=True)
