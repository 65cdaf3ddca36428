"""Dates of cancellations: when a notice takes effect, and what would go back then.

Ten days is the longest notice that may be asked for without a minimum term; later only if the consumer asks
(L.224-25-9 Code de la consommation). The user chooses: a day within ten days, with the unused time refunded, or the end
of what is paid.
"""

from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.errors import invalid
from api.ground.schemas import FieldError
from api.models.declaration import Declaration
from api.models.payment import Payment, PaymentStatus, Subscription
from api.models.stripe_event import CommandKind
from api.models.user import Grant, User
from api.payments.billing.schemas import Cancellation
from api.payments.gateway.outbox import is_asked
from api.payments.ledger.early_ends import quote_ends
from api.payments.ledger.grants import find_paid_end
from api.payments.ledger.subscriptions import find_earliest_end, find_order_of
from configs.world.desk import zone_or_home
from configs.world.withdrawal_period import ZONE

LONGEST_NOTICE = timedelta(days=10)
# What was paid may have gone back whole while the plan runs on to its end: a credit paid for the rest.
_PAID = (PaymentStatus.COMPLETED, PaymentStatus.REFUNDED)


def find_period_end(session: Session, row: Subscription, now: datetime) -> datetime:
    """Return the end of what is paid: a renewal may be paid before the subscription was read again, or not be paid."""
    paid, known = find_paid_end(session, row.id), row.period_ends_at or now
    if paid and paid <= now:
        return paid  # Stripe's period is one that was not paid
    return max(paid or known, known)


def find_last_second(session: Session, row: Subscription, ends: datetime, now: datetime) -> datetime:
    """Return when Stripe shall end a subscription whose notice takes effect at `ends`: with its period.

    It only must not renew: what ends at Stripe cannot be undone.
    """
    known = row.period_ends_at or now
    if ends <= now:
        return ends
    if is_asked(session, CommandKind.CHARGE, row.id):  # Stripe would charge before the days that were given
        return known
    return max(find_period_end(session, row, now), known, ends)


def find_first_end(session: Session, row: Subscription, now: datetime) -> datetime:
    """Return the earliest end that may be wished: now, or the end of a first week that is cancelled to its end."""
    earliest = find_earliest_end(session, find_order_of(session, row.id), find_zone(session, row.user_id))
    return max(earliest or now, now)


def find_end(
    wish: Cancellation, paid_until: datetime, zone: ZoneInfo, now: datetime, earliest: datetime
) -> datetime:
    """Return the instant of the end: that of the paid period, or of a day in the user's zone, at the `earliest` one.

    Raises:
        ApiError: 422, the day is past, too far on, or beyond what is paid.
    """
    if wish.on is None:
        return max(paid_until, now)
    days = list_days(now, zone)
    if wish.on not in days:
        detail = f"choose a day from {days[0]} to {days[-1]}, or send periodEnd: true"
        raise invalid(FieldError(path="on", rule="out_of_range", detail=detail))
    ends = max(end_day(wish.on, zone), earliest)
    if ends > paid_until > now:
        day = f"{paid_until.astimezone(zone):%Y-%m-%d}"
        detail = f"the paid period ends before, on {day}: send periodEnd: true"
        raise invalid(FieldError(path="on", rule="after_period", detail=detail))
    return ends


def find_confirmed_end(
    session: Session, row: Declaration, subscription: Subscription, now: datetime
) -> datetime:
    """Return when a notice by the form takes effect that was confirmed now; never after what is paid."""
    paid_until = find_period_end(session, subscription, now)
    if row.at_period_end or row.wished_on is None or paid_until <= now:
        return max(paid_until, now)
    ends = end_day(row.wished_on, find_zone(session, subscription.user_id))
    return max(min(max(ends, find_first_end(session, subscription, now)), paid_until), now)


def find_held_end(session: Session, row: Declaration, subscription: Subscription) -> datetime | None:
    """Return the end of the first week that a form's notice waits for once it is confirmed; None: it need not."""
    earliest = find_first_end(session, subscription, row.made_at)
    ends = end_day(row.wished_on, find_zone(session, subscription.user_id)) if row.wished_on else earliest
    return earliest if ends < earliest else None


def find_unconfirmed_end(session: Session, row: Declaration, subscription: Subscription) -> datetime:
    """Return when a notice by the form takes effect without a confirmation: after ten days, or with its period."""
    soonest = row.made_at + LONGEST_NOTICE
    period_end = find_paid_end(session, subscription.id, row.made_at)
    return max(soonest, period_end) if row.at_period_end and period_end else soonest


def quote_both_ends(session: Session, row: Declaration, contract: Subscription) -> dict[str, int]:
    """Return the cents that go back for a form's notice: `refund` if it is confirmed, `late_refund` without a word.

    An amount is left out where it is not known yet: before the unconfirmed end the contract may renew.
    """
    now, found = row.made_at, {"refund": 0}
    if not row.at_period_end:
        confirmed = find_confirmed_end(session, row, contract, now)
        found["refund"] = quote_refund(session, contract, confirmed)
    ends = find_unconfirmed_end(session, row, contract)
    if ends <= find_period_end(session, contract, now):
        found["late_refund"] = quote_refund(session, contract, ends)
    return found


def quote_refund(session: Session, row: Subscription, ends: datetime) -> int:
    """Return the cents that go back for the time after `ends`, as it is known now, rounded up."""
    payments = (session.get_one(Payment, each) for each in list_paid(session, row, ends))
    return quote_ends(session, payments, ends).total()


def list_paid(session: Session, row: Subscription, ends: datetime) -> list[UUID]:
    """Return the payments whose plan runs longer than `ends`."""
    paid = (
        sa.select(Payment.id)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Payment.subscription_id == row.id, Payment.status.in_(_PAID), Grant.ends_at > ends)
    )
    return list(session.scalars(paid.distinct().order_by(Payment.id)))


def list_days(now: datetime, zone: ZoneInfo = ZONE) -> list[date]:
    """Return the days at whose end a contract may be wished to end."""
    today = now.astimezone(zone).date()
    return [today + timedelta(days=each) for each in range(LONGEST_NOTICE.days + 1)]


def end_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which a day ends."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(ZoneInfo("UTC"))


def find_zone(session: Session, user_id: UUID | None) -> ZoneInfo:
    """Return a user's zone; France's for who is unknown or gone."""
    known = session.scalar(sa.select(User.time_zone).where(User.id == user_id)) if user_id else None
    return zone_or_home(known) if known else ZONE
