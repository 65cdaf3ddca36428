"""Stripe's object types: how one is read at Stripe, and what its present state changes here.

What is bought: Checkout Sessions, on which an order is paid, PaymentIntents, invoices and subscriptions. The first
invoice of a subscription belongs to its order, each later one is the payment of a renewal. Money that goes back:
refunds, disputes (a card's holder asked the bank for the money, or a part), and early warnings of fraud.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentEvent, PaymentEventKind
from api.models.payment import Subscription as SubscriptionRow
from api.models.stripe_event import CommandKind
from api.payments.gateway.client import call
from api.payments.gateway.errors import UnknownOwner
from api.payments.gateway.facts import (
    FIRST_MONTH,
    DisputeFacts,
    Facts,
    FraudWarningFacts,
    IntentFacts,
    InvoiceFacts,
    InvoicePayment,
    Line,
    RefundFacts,
    SessionFacts,
    SubscriptionFacts,
    read_list,
)
from api.payments.gateway.outbox import is_asked
from api.payments.ledger import notices
from api.payments.ledger.book import post_dispute, post_owed_again, read_lines
from api.payments.ledger.grants import end_early_grace, end_repaid_plan, find_paid_end
from api.payments.ledger.payment_events import add_event, lock_payment
from api.payments.ledger.refunds import (
    give_up_disputed,
    note_returned_money,
    note_whole_refund,
    record_refund,
    settle_debt,
)
from api.payments.ledger.settle import (
    PaidFacts,
    bridge_renewal,
    give_up_draft,
    settle_bill,
    settle_failed,
    settle_paid,
)
from api.payments.ledger.stripe_ids import (
    CREDIT_KEY,
    INTENT,
    SESSION,
    find_payment_id,
    find_refund_id,
    find_subscription_id,
    link_customer,
    link_id,
    link_intent,
    lock_owner,
    read_id,
)
from api.payments.ledger.subscriptions import ensure_subscription, undo_notices
from api.payments.ledger.watch_credits import ask_again, note_borne
from configs.ground.clock import clock

_PAID = ("paid", "no_payment_required")
_NEVER_PAID = ("requires_payment_method", "canceled")  # of a PaymentIntent whose session is complete
RENEWAL = "subscription_cycle"  # why the invoice of a later month was made
MOVED = "trialing"  # its next charge was moved: what was paid ends when it did
_NOT_ASKED_FOR = ("payment_failed", "payment_disputed")  # Stripe's reasons; other mails tell of these
# Stripe's words for an end; by all others (`warning_…`, `needs_response`, `appeal_…`, …) it is open.
_ENDS = {
    "won": PaymentEventKind.DISPUTE_WON,
    "lost": PaymentEventKind.DISPUTE_LOST,
    "warning_closed": PaymentEventKind.DISPUTE_CLOSED,
    "prevented": PaymentEventKind.DISPUTE_CLOSED,
}
DUE_AGAIN = timedelta(days=14)  # of a bill whose money the bank took back
_KEPT = (PaymentEventKind.DISPUTE_WON, PaymentEventKind.DISPUTE_CLOSED)  # ends by which the money stayed
# What can follow such an end: the bank appeals, or an inquiry becomes a dispute.
_AGAIN = {
    PaymentEventKind.DISPUTE_WON: ("appeal_needs_response", "appeal_under_review", "lost"),
    PaymentEventKind.DISPUTE_CLOSED: ("needs_response", "under_review", "lost", "won"),
}


def _retrieve(facts: type[Facts], choose: Callable[[Any], Any], *expand: str) -> Callable[[str], Any]:
    params = {"expand": list(expand)} if expand else {}
    return lambda key: facts.of(call(lambda c: choose(c.v1).retrieve(key, params)))


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One type of object: how the types of its events begin, how it is read, and what its state changes here.

    What an event said is never applied: it only names an object, and `fetch` reads what is true by now, outside a
    transaction. So any order, repetition or loss of events ends in the same state. `apply` changes our rows to what
    `fetch` returned; the same again, or something older, changes nothing.

    Raises:
        StripeAway: no answer to `fetch`.
        StripeRefused: `fetch` asked for an object that there is not.
        UnknownOwner: what is applied belongs to nothing of ours, or not yet.
    """

    events: tuple[str, ...]
    fetch: Callable[[str], Any]
    apply: Callable[[Session, Any], None]


def _apply_session(session: Session, facts: SessionFacts) -> None:
    """Link its ids to the order; settle that of a short plan, as a subscription's is settled by its first invoice."""
    payment = lock_owner(session, facts.id, facts.metadata)
    payment.synced_at = clock()
    if payment.due_at:
        _apply_bill(session, payment, facts)
        return
    link_id(session, facts.id, SESSION, payment)
    if isinstance(facts.payment_intent, IntentFacts):
        link_id(session, facts.payment_intent.id, INTENT, payment)
    link_id(session, facts.invoice, "invoice", payment)
    if facts.subscription:
        ensure_subscription(session, payment, facts.subscription)
    link_customer(session, payment, facts.customer)
    if facts.status == "expired":
        add_event(session, payment, PaymentEventKind.EXPIRED, clock())
    if facts.status == "complete" and facts.mode == "payment":
        _settle(session, payment, facts)


def _apply_bill(session: Session, payment: Payment, facts: SessionFacts) -> None:
    """Settle what an organisation owes; one session follows another until it is paid, also by a transfer."""
    link_intent(session, facts.id, payment, SESSION)
    paid = facts.payment_intent if facts.status == "complete" and facts.payment_status in _PAID else None
    if paid:
        _settle_bill(
            session,
            payment,
            paid if isinstance(paid, str) else paid.id,
            facts.amount_total or 0,
            facts.currency,
        )


def _settle_bill(session: Session, payment: Payment, intent: str, cents: int, currency: str | None) -> None:
    link_intent(session, intent, payment)
    if currency == payment.currency:
        settle_bill(session, payment, cents, intent)


def _settle(session: Session, payment: Payment, facts: SessionFacts) -> None:
    if facts.payment_status in _PAID:
        paid = PaidFacts(clock(), facts.amount_total or 0, facts.currency, facts.discount)
        settle_paid(session, payment, paid)
        return
    intent = facts.payment_intent  # a bank debit takes days
    if isinstance(intent, IntentFacts) and intent.status in _NEVER_PAID:
        settle_failed(session, payment, clock(), intent.status)


def _apply_intent(session: Session, facts: IntentFacts) -> None:
    """Settle the order of a short plan where it is paid or cancelled, in case its session's events are lost.

    A refused card may be followed by another one.
    """
    payment = lock_owner(session, facts.id, facts.metadata)
    if payment.subscription_id:  # its invoice says which period it pays for, and by which PaymentIntent
        return
    if payment.due_at:  # an older session's may come to nothing later
        if facts.status == "succeeded":
            _settle_bill(session, payment, facts.id, facts.amount_received, facts.currency)
        return
    link_id(session, facts.id, INTENT, payment)
    link_customer(session, payment, facts.customer)
    if facts.status == "succeeded":
        # Only its session knows the discount.
        settle_paid(session, payment, PaidFacts(clock(), facts.amount_received, facts.currency, None))
    elif facts.status == "canceled":
        settle_failed(session, payment, clock(), facts.status)


def _fetch_invoice(object_id: str) -> InvoiceFacts:
    """Read the invoice with all its lines and payments; Stripe shows the first ten of each."""
    facts: InvoiceFacts = _retrieve(InvoiceFacts, lambda v1: v1.invoices, "payments")(object_id)
    page: Any = {"limit": 100}
    if facts.more_lines:
        lines = call(lambda c: read_list(c.v1.invoices.line_items.list(object_id, page), Line))
        facts = facts.model_copy(update={"lines": lines})
    if facts.more_payments:
        page |= {"invoice": object_id}
        paid = call(lambda c: read_list(c.v1.invoice_payments.list(page), InvoicePayment))
        facts = facts.model_copy(update={"payments": paid})
    return facts


def _apply_invoice(session: Session, facts: InvoiceFacts) -> None:
    """Find or write the invoice's payment, and settle that.

    Paid, it gives the plan for its period; before that, and refused, a renewal leaves days of grace.
    """
    if facts.status == "draft" and not facts.auto_advance:
        give_up_draft(session, facts.id)
        return
    payment = _find_payment(session, facts)
    if payment is None:
        return
    payment.synced_at = clock()
    link_id(session, facts.id, "invoice", payment)
    link_intent(session, facts.payment_intent, payment)
    link_customer(session, payment, facts.customer)  # its event may come before that of the session
    if facts.status == "paid":
        at = facts.paid_at or clock()
        _note_period(session, payment, facts)
        note_borne(session, payment, _list_credits(facts))
        by_transfer = facts.is_paid_by_transfer
        paid = PaidFacts(at, facts.amount_paid, facts.currency, facts.discount, facts.period, by_transfer)
        settle_paid(session, payment, paid)
    elif facts.status in ("void", "uncollectible"):
        ask_again(session, _list_credits(facts))
        settle_failed(session, payment, clock(), facts.status)
    elif facts.billing_reason == RENEWAL and facts.status in ("draft", "open"):
        bridge_renewal(session, payment, facts)


def _list_credits(facts: InvoiceFacts) -> list[UUID]:
    named = [read_id((line.metadata or {}).get(CREDIT_KEY)) for line in facts.lines]
    return [each for each in named if each]


def _find_payment(session: Session, facts: InvoiceFacts) -> Payment | None:
    """Return the payment of an invoice, locked; None for one that pays for no period of our subscriptions."""
    if known := find_payment_id(session, facts.id):
        payment = lock_payment(session, known)
        if facts.origin and payment.subscription_id is None:
            ensure_subscription(session, payment, facts.origin.subscription)
        return payment
    origin = facts.origin
    order_id = find_payment_id(session, None, origin.metadata) if origin else None
    if origin is None or order_id is None:
        raise UnknownOwner(f"the invoice {facts.id} belongs to no subscription of ours")
    order = lock_payment(session, order_id)
    subscription = ensure_subscription(session, order, origin.subscription)
    if facts.billing_reason == FIRST_MONTH:
        return order
    if facts.billing_reason != RENEWAL:
        return None  # such as the credit for unused days, which no grant follows from
    return _add_renewal(session, subscription, facts)


def _add_renewal(session: Session, subscription: SubscriptionRow, facts: InvoiceFacts) -> Payment:
    """Write the payment of a renewal; the lock of the order lets no other run write it too."""
    renewal = Payment(
        user_id=subscription.user_id,
        plan=subscription.plan,
        amount_cents=facts.amount_due,
        subscription_id=subscription.id,
        created_at=facts.created,
    )
    session.add(renewal)
    session.flush()
    return lock_payment(session, renewal.id)


def _note_period(session: Session, payment: Payment, facts: InvoiceFacts) -> None:
    """Write the period of a subscription that was not read since it is paid, so that its user can cancel it at once."""
    row = session.get(SubscriptionRow, payment.subscription_id) if payment.subscription_id else None
    if row and (row.synced_at is None or row.status == "incomplete") and facts.period:
        row.status, row.period_starts_at, row.period_ends_at = "active", facts.period.start, facts.period.end


def _apply_subscription(session: Session, facts: SubscriptionFacts) -> None:
    """Write the present state into our row. No grant changes: what was paid for stays, unless the money goes back."""
    row = _find_row(session, facts)
    _confirm_end(session, row, facts)
    row.status, row.synced_at = facts.status, clock()
    row.cancel_at, row.ended_at = facts.ends_at, facts.ended_at
    is_asked_for = is_asked(session, CommandKind.END, row.id)
    if row.cancel_wanted_at and not is_asked_for and not (facts.ended_at or facts.ends_at):
        row.cancel_wanted_at = None  # Stripe had agreed, and the user took it back in the portal
        undo_notices(session, row.id)
    if facts.ends_at:
        end_early_grace(session, row.id, facts.ends_at)
    if (item := facts.item) and facts.status != MOVED:
        row.period_starts_at, row.period_ends_at = item.current_period_start, item.current_period_end


def _confirm_end(session: Session, row: SubscriptionRow, facts: SubscriptionFacts) -> None:
    """Write the receipt of a cancellation in Stripe's portal or dashboard; those by our own routes have one already."""
    known = row.cancel_at or row.ended_at or row.cancel_wanted_at
    if known or is_asked(session, CommandKind.END, row.id):  # or just taken back
        return
    paid_until = find_paid_end(session, row.id)
    if facts.ends_at is None or facts.end_reason in _NOT_ASKED_FOR or paid_until is None:
        return
    is_over = facts.ended_at is not None or paid_until <= clock()  # Stripe's period was not paid
    ends = paid_until if is_over else max(paid_until, facts.ends_at)
    asked_at = facts.canceled_at or ends
    notices.write_end_receipt(session, row, ends, 0, subject=asked_at.isoformat())


def _find_row(session: Session, facts: SubscriptionFacts) -> SubscriptionRow:
    """Return its row, locked against other objects that write it."""
    order_id = find_payment_id(session, None, facts.metadata)
    if order_id:
        return ensure_subscription(session, lock_payment(session, order_id), facts.id)
    known = find_subscription_id(session, facts.id)
    if known is None:
        raise UnknownOwner(f"the subscription {facts.id} was not ordered here")
    return session.get_one(SubscriptionRow, known, with_for_update=True)


def _apply_dispute(session: Session, facts: DisputeFacts) -> None:
    payment = lock_owner(session, facts.payment_intent)
    name = _name_round(session, payment, facts)
    details = {"amount": facts.amount, "reason": facts.reason}
    told = f"{facts.id} of payment {payment.id}: {facts.amount} cents, {facts.reason}"
    if add_event(session, payment, PaymentEventKind.DISPUTE_OPENED, facts.created, name, **details):
        notices.tell_admins(session, "dispute_opened", told, key=f"dispute:{name}")
    post_dispute(session, payment, facts, name)
    end = _ENDS.get(facts.status)
    if end is None or not add_event(session, payment, end, clock(), name, **details):
        return
    notices.tell_admins(session, end, told, key=f"dispute:{name}:{facts.status}")
    if end is PaymentEventKind.DISPUTE_LOST:
        if payment.due_at:
            payment.due_at = clock() + DUE_AGAIN
        give_up_disputed(session, payment, f"{name}:lost", 0 if payment.due_at else facts.amount)
        if note_whole_refund(session, payment):
            end_repaid_plan(session, payment, clock(), f"{name}:lost")
        return
    if end is PaymentEventKind.DISPUTE_WON:
        note_returned_money(session, payment, name)
        if read_lines(session, f"{name}:lost"):
            post_owed_again(session, payment.id, f"{name}:again")
    settle_debt(session, payment, f"{name}:{facts.status}")  # what was refused meanwhile


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


def _apply_fraud_warning(session: Session, facts: FraudWarningFacts) -> None:
    """Add it to its payment's events, and tell the admins, who may give the money back before it is disputed."""
    payment = lock_owner(session, facts.payment_intent)
    kind = PaymentEventKind.FRAUD_WARNING
    if add_event(session, payment, kind, facts.created, facts.id, type=facts.fraud_type):
        told = f"{facts.id} of payment {payment.id}: {facts.fraud_type}"
        notices.tell_admins(session, "fraud_warning", told, key=f"fraud:{facts.id}")


def _apply_refund(session: Session, facts: RefundFacts) -> None:
    payment = lock_owner(session, facts.payment_intent, facts.metadata)
    record_refund(session, payment, facts, find_refund_id(session, facts.id, facts.metadata))


# By the name that `payment_differences` has for them.
OBJECT_TYPES = {
    "checkout_session": ObjectType(
        ("checkout.session.",),
        _retrieve(SessionFacts, lambda v1: v1.checkout.sessions, "payment_intent"),
        _apply_session,
    ),
    "dispute": ObjectType(
        ("charge.dispute.",), _retrieve(DisputeFacts, lambda v1: v1.disputes), _apply_dispute
    ),
    "fraud_warning": ObjectType(
        ("radar.early_fraud_warning.",),
        _retrieve(FraudWarningFacts, lambda v1: v1.radar.early_fraud_warnings),
        _apply_fraud_warning,
    ),
    # Not all events: `deleted` has nothing to read, and others change nothing here.
    "invoice": ObjectType(
        ("invoice.created", "invoice.marked_", "invoice.paid", "invoice.payment_", "invoice.voided"),
        _fetch_invoice,
        _apply_invoice,
    ),
    "payment_intent": ObjectType(
        ("payment_intent.",), _retrieve(IntentFacts, lambda v1: v1.payment_intents), _apply_intent
    ),
    "refund": ObjectType(("refund.",), _retrieve(RefundFacts, lambda v1: v1.refunds), _apply_refund),
    "subscription": ObjectType(
        ("customer.subscription.",),
        _retrieve(SubscriptionFacts, lambda v1: v1.subscriptions),
        _apply_subscription,
    ),
}


def find_type(event_type: str) -> ObjectType | None:
    """Return the type of an event's object; None where nothing is done about such events."""
    return next((each for each in OBJECT_TYPES.values() if event_type.startswith(each.events)), None)
