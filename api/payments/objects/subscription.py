"""Subscriptions: whether one goes on, and when it ends."""

from uuid import UUID

from sqlalchemy.orm import Session

from api.models.payment import Subscription as SubscriptionRow
from api.models.stripe_command import CommandKind
from api.payments import notices
from api.payments.client import call
from api.payments.effects import Effects
from api.payments.errors import UnknownOwner
from api.payments.facts import SubscriptionFacts
from api.payments.grants import end_early_grace, find_paid_end
from api.payments.ledger import lock_payment
from api.payments.objects import StripeObject
from api.payments.outbox import is_asked
from api.payments.owners import find_payment_id, find_subscription_id
from api.payments.subscriptions import ensure_subscription, undo_notices
from configs.ground.clock import clock

_NOT_ASKED_FOR = ("payment_failed", "payment_disputed")  # Stripe's reasons; other mails tell of these


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
