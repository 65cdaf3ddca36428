"""Cancelling a subscription: at the end of a day up to ten days on, with the unused time refunded, or of the period.

Ten days is the longest notice that may be asked for without a minimum term; later only if the consumer asks
(L.224-25-9 Code de la consommation). The user chooses.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.service import lock_user
from api.billing.quotes import find_subscription
from api.billing.schemas import Cancellation, CancelledAnswer
from api.errors import ApiError, invalid
from api.models.payment import Payment, PaymentStatus, Refund, Subscription
from api.models.user import Grant, User
from api.payments.cancellations import request_cancellation
from api.payments.effects import Effects
from api.payments.grants import end_grace, find_paid_end, measure_use
from api.payments.ledger import lock_payment
from api.payments.notices import confirm_cancellation
from api.payments.shortening import shorten_paid_time
from api.schemas import FieldError
from configs.clock import clock

LONGEST_NOTICE = timedelta(days=10)
# What was paid may have gone back whole while the plan runs on to its end: a credit paid for the rest.
_PAID = (PaymentStatus.COMPLETED, PaymentStatus.REFUNDED)


@dataclass(frozen=True, slots=True)
class CancelledSubscription:
    """The answer, and what follows after the commit."""

    answer: CancelledAnswer
    effects: Effects


def cancel_subscription(session: Session, user_id: UUID, wish: Cancellation) -> CancelledSubscription:
    """Write when the user's subscription ends, shorten its grant and plan the refund. Repeated, it changes nothing.

    Raises:
        api.errors.ApiError: 409, there is no subscription; 422, the day is past, too far on, or beyond what is paid.
    """
    lock_user(session, user_id)
    user, now = session.get_one(User, user_id), clock()
    row = find_subscription(session, user_id)
    if row is None or row.period_ends_at is None:
        raise ApiError(409, "no-subscription", "there is nothing to cancel: no subscription runs")
    ends = max(_find_end(wish, _find_period_end(session, row, now), user.time_zone, now), now)
    if row.cancel_wanted_at and row.cancel_wanted_at <= ends:
        return CancelledSubscription(
            CancelledAnswer(ends_at=row.cancel_wanted_at, refund=0, currency="eur"), Effects()
        )
    effects = Effects()
    back = _shorten(session, row, ends, effects) if wish.on else 0
    request_cancellation(session, row.id, ends)
    end_grace(session, row.id, ends)
    effects.mails += confirm_cancellation(session, row, ends, back, subject=ends.isoformat())
    return CancelledSubscription(CancelledAnswer(ends_at=ends, refund=back, currency="eur"), effects)


def _find_period_end(session: Session, row: Subscription, now: datetime) -> datetime:
    """Return the end of what is paid: a renewal may be paid before the subscription was read again, or not be paid."""
    paid, known = find_paid_end(session, row.id), row.period_ends_at or now
    if paid and paid <= now:
        return paid  # Stripe's period is one that was not paid
    return max(paid or known, known)


def _find_end(wish: Cancellation, paid_until: datetime, time_zone: str, now: datetime) -> datetime:
    """Return the instant of the end: that of the paid period, or of a day in the user's zone."""
    if wish.on is None:
        return paid_until
    zone = ZoneInfo(time_zone)
    today = now.astimezone(zone).date()
    if not today <= wish.on <= today + LONGEST_NOTICE:
        detail = f"choose a day from {today} to {today + LONGEST_NOTICE}, or send periodEnd: true"
        raise invalid(FieldError(path="on", rule="out_of_range", detail=detail))
    ends = _end_day(wish.on, zone)
    if ends > paid_until > now:
        detail = (
            f"the paid period ends before, on {paid_until.astimezone(zone):%Y-%m-%d}: send periodEnd: true"
        )
        raise invalid(FieldError(path="on", rule="after_period", detail=detail))
    return ends


def _end_day(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(ZoneInfo("UTC"))


def _shorten(session: Session, row: Subscription, ends: datetime, effects: Effects) -> int:
    """End the paid grants at `ends`; return the cents that go back for the rest of their time, rounded up."""
    for payment_id in _list_paid(session, row, ends):
        payment = lock_payment(session, payment_id)
        length = timedelta(seconds=measure_use(session, payment, ends)[1])
        effects.refunds += shorten_paid_time(session, payment, ends, length)
    planned = sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_cents), 0))
    return session.scalars(planned.where(Refund.id.in_(effects.refunds))).one()


def _list_paid(session: Session, row: Subscription, ends: datetime) -> list[UUID]:
    paid = (
        sa.select(Payment.id)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Payment.subscription_id == row.id, Payment.status.in_(_PAID), Grant.ends_at > ends)
    )
    return list(session.scalars(paid.distinct().order_by(Payment.id)))
