"""Notices of plans that end or renew: once per grant, none where the next grant follows; once before each renewal.

Each day of grace after a renewal that failed has one too.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

import notifier
from api.billing.closed_desks import CLOSED
from api.models.notification import Notification
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PaymentStatus, Subscription
from api.models.user import Channel, Grant
from api.payments import notices
from api.payments.grants import GRACE
from api.payments.subscriptions import COLLECTED, RENEWING, goes_on
from configs.ground.clock import clock
from configs.world.plan import PlanName

# How long before a renewal its notice is sent
_RENEWAL_NOTICE = timedelta(days=3)

_EXPIRING, _ENDED = "plan_expiring", "plan_ended"
_DAY, _HOURS = timedelta(days=1), timedelta(hours=2)  # before the end; the second of a plan of 24 hours
_LATE = timedelta(days=1)  # after the end, where no job ran


def tell_plan_ends(session: Session) -> list[UUID]:
    """Write the notices that are due; return the notifications to nudge."""
    now = clock()
    return _write_notices(session, _EXPIRING, _is_ending(now)) + _write_notices(
        session, _ENDED, _has_ended(now)
    )


def tell_renewals(session: Session) -> list[UUID]:
    """Tell each subscriber RENEWAL_NOTICE before the next month is charged; return the notifications to nudge."""
    now, told = clock(), []
    soon = sa.select(Subscription).where(
        Subscription.status.in_(RENEWING),
        Subscription.user_id.is_not(None),
        Subscription.period_ends_at > now,
        Subscription.period_ends_at <= now + _RENEWAL_NOTICE,
        goes_on(),
    )
    for row in session.scalars(soon.order_by(Subscription.id)).all():
        if row.user_id and row.period_ends_at:
            ends = row.period_ends_at.isoformat()
            params, key = {"subscription": str(row.id), "ends": ends}, f"renewal-soon:{row.id}:{ends}"
            told += notifier.create_notifications(session, row.user_id, "renewal_soon", params, key)
    return told


def remind_in_grace(session: Session) -> list[UUID]:
    """Write today's message to each user whose plan goes on by grace only; return the notifications to nudge."""
    now = clock()
    waiting = (
        sa.select(Payment)
        .join(Grant, Grant.payment_id == Payment.id)
        .where(Grant.source == GRACE, Grant.ends_at > now, Payment.status == PaymentStatus.FAILED)
    )
    told = [notices.tell_failure(session, each, f"{now:%Y-%m-%d}") for each in session.scalars(waiting)]
    return [each for ids in told for each in ids]


def _write_notices(session: Session, kind: str, due: sa.ColumnElement[bool]) -> list[UUID]:
    found = sa.select(Grant).where(due, ~_is_followed(), ~_is_told(kind)).order_by(Grant.id)
    return [
        each
        for grant in session.scalars(found).all()
        for each in notifier.create_notifications(
            session,
            grant.user_id,
            kind,
            {"grant": str(grant.id), "plan": grant.plan.value, "ends": grant.ends_at.isoformat()},
            f"{kind}:{grant.id}",
        )
    ]


def _is_ending(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a grant ends soon. Of a renewal another message tells, of days of grace too."""
    lead = sa.or_(Grant.ends_at <= now + _HOURS, Grant.plan != PlanName.URGENCE_24H)
    return sa.and_(Grant.ends_at > now, Grant.ends_at <= now + _DAY, lead, Grant.source != GRACE, ~_renews())


def _has_ended(now: datetime) -> sa.ColumnElement[bool]:
    """Return the condition that a grant ended lately, by its time: a refund or a withdrawal has its own message.

    A month that renews goes on by days of grace, which a job begins that may be late.
    """
    is_over = sa.or_(Grant.source == GRACE, ~_renews())
    return sa.and_(Grant.ends_at <= now, Grant.ends_at > now - _LATE, is_over, ~_is_refunded(), ~_was_ended())


def _is_followed() -> sa.ColumnElement[bool]:
    """Return the condition that another grant goes on; of two that end at once the later one counts."""
    following = aliased(Grant)
    later = sa.tuple_(following.ends_at, following.id) > sa.tuple_(Grant.ends_at, Grant.id)
    return sa.exists().where(following.user_id == Grant.user_id, following.starts_at <= Grant.ends_at, later)


def _is_told(kind: str) -> sa.ColumnElement[bool]:
    keys = [sa.func.concat(f"{kind}:", Grant.id, f":{channel.value}") for channel in Channel]
    return sa.exists().where(Notification.dedupe_key.in_(keys))


def _renews() -> sa.ColumnElement[bool]:
    paid = (Payment.id == Grant.payment_id, Subscription.id == Payment.subscription_id)
    return sa.exists().where(*paid, Subscription.status.in_(COLLECTED), goes_on())


def _is_refunded() -> sa.ColumnElement[bool]:
    return sa.exists().where(Payment.id == Grant.payment_id, Payment.status == PaymentStatus.REFUNDED)


def _was_ended() -> sa.ColumnElement[bool]:
    by_choice = sa.and_(PaymentEvent.kind == PaymentEventKind.PLAN_ENDED, PaymentEvent.subject == CLOSED)
    others = PaymentEvent.kind.in_((PaymentEventKind.WITHDRAWN, PaymentEventKind.DISPUTE_LOST))
    return sa.exists().where(PaymentEvent.payment_id == Grant.payment_id, by_choice | others)
