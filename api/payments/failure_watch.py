"""Rising failures of payments: the admins are told when more fail than usual, once a day at most.

Cards are refused each day. Many at once mean that our account, a price or a page is wrong, or that someone tries stolen
cards.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.payment import Payment, PaymentEvent, PaymentEventKind, StripeId
from api.models.stripe_event import StripeEvent
from api.payments import notices
from configs.clock import clock
from configs.formatting import pluralize

WINDOW = timedelta(hours=3)
_USUAL_DAYS = 14
_LEAST = 5  # failures in a window that are worth a mail
_TIMES = 3  # as many as usual
_REFUSED = "payment_intent.payment_failed"  # Stripe sends it for each refused card, at renewals too


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Payments that failed in the last window, and how many do in a usual one."""

    recent: int
    usual: float

    @property
    def is_rising(self) -> bool:
        """Whether so many failed that an operator should look."""
        return self.recent >= _LEAST and self.recent > _TIMES * self.usual


def tell_rising_failures(session: Session) -> list[UUID]:
    """Write to the admins where failures rise; return the notifications to nudge."""
    now = clock()
    count = count_failures(session, now)
    if not count.is_rising:
        return []
    hours = int(WINDOW.total_seconds() // 3600)
    detail = (
        f"{pluralize(count.recent, 'payment')} failed in the last {hours} hours; usual: {count.usual:.1f}. "
        f"See GET /api/admin/stripe-events?type={_REFUSED} and GET /api/admin/payments?status=FAILED"
    )
    return notices.tell_admins(session, "failures_rising", detail, key=f"failures:{now:%Y-%m-%d}")


def count_failures(session: Session, now: datetime) -> FailureCount:
    """Count the payments whose card was refused, and the orders that Stripe did not take; each once in a window."""
    begins = now - timedelta(days=_USUAL_DAYS)
    recent = _count(session, now - WINDOW, now)
    before = _count(session, begins, now - WINDOW)
    windows = (timedelta(days=_USUAL_DAYS) - WINDOW) / WINDOW
    return FailureCount(recent, before / windows)


def _count(session: Session, after: datetime, until: datetime) -> int:
    ours = StripeId.id == StripeEvent.object_id  # the same account may sell other things
    refused = (
        sa.select(sa.func.count(StripeEvent.object_id.distinct()))
        .join(StripeId, ours)
        .where(
            StripeEvent.received_at > after, StripeEvent.received_at <= until, StripeEvent.type == _REFUSED
        )
    )
    has_intent = sa.exists().where(StripeId.payment_id == Payment.id, StripeId.kind == "payment_intent")
    never_taken = (
        sa.select(sa.func.count())
        .select_from(PaymentEvent)
        .join(Payment, Payment.id == PaymentEvent.payment_id)
        .where(
            PaymentEvent.kind == PaymentEventKind.FAILED,
            PaymentEvent.recorded_at > after,
            PaymentEvent.recorded_at <= until,
            ~has_intent,
        )
    )
    return session.scalars(refused).one() + session.scalars(never_taken).one()
