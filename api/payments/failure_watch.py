"""Rising failures of payments: a message to the admins when more fail than usual, once a day at most.

Cards are refused each day. Many at once mean that our account, a price or a page is wrong, or that someone tries stolen
cards.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentEvent, PaymentEventKind, StripeId
from api.models.stripe_event import StripeEvent
from api.payments import notices
from configs.ground.clock import clock

WINDOW, _USUAL = timedelta(hours=3), timedelta(days=14)
_LEAST = 5  # failures in a window that are worth a mail
_TIMES = 3  # as many as usual
_REFUSED = "payment_intent.payment_failed"  # Stripe sends it for each refused card, at renewals too


def tell_rising_failures(session: Session) -> list[UUID]:
    """Write to the admins where failures rise; return the notifications to nudge."""
    now = clock()
    recent = count_failures(session, now - WINDOW, now)
    usual = count_failures(session, now - _USUAL, now - WINDOW) / ((_USUAL - WINDOW) / WINDOW)
    if recent < _LEAST or recent <= _TIMES * usual:
        return []
    detail = (
        f"{recent} payments failed in the last 3 hours; usual: {usual:.1f}. "
        f"See /admin/evenements-stripe?type={_REFUSED} and /admin/paiements?status=FAILED"
    )
    return notices.tell_admins(session, "failures_rising", detail, key=f"failures:{now:%Y-%m-%d}")


def count_failures(session: Session, after: datetime, until: datetime) -> int:
    """Count the payments whose card was refused, and the orders that Stripe did not take."""
    refused = (
        sa.select(sa.func.count(StripeEvent.object_id.distinct()))
        .join(StripeId, StripeId.id == StripeEvent.object_id)  # the same account may sell other things
        .where(
            StripeEvent.type == _REFUSED, StripeEvent.received_at > after, StripeEvent.received_at <= until
        )
    )
    has_intent = sa.exists().where(StripeId.payment_id == Payment.id, StripeId.kind == "payment_intent")
    at = PaymentEvent.recorded_at
    never_taken = (
        sa.select(sa.func.count(Payment.id))
        .join(PaymentEvent, PaymentEvent.payment_id == Payment.id)
        .where(PaymentEvent.kind == PaymentEventKind.FAILED, at > after, at <= until, ~has_intent)
    )
    return session.scalars(refused).one() + session.scalars(never_taken).one()
