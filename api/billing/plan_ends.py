"""Notices of plans that end: before it and at the end, once per grant, and none where the next grant follows."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

import notifier
from api.models.notification import Notification
from api.models.payment import Payment, PaymentEvent, PaymentEventKind, PaymentStatus, Subscription
from api.models.user import Channel, Grant
from api.payments.grants import GRACE
from configs.clock import clock
from configs.plan import PlanName

_EXPIRING, _ENDED = "plan_expiring", "plan_ended"
_DAY, _HOURS = timedelta(days=1), timedelta(hours=2)  # before the end; the second of a plan of 24 hours
_LATE = timedelta(days=1)  # after the end, where no job ran
_RENEWS = ("active", "past_due", "trialing")  # Stripe's words
_CLOSED_DESK = "closed desk"  # subject of the event by which api/billing/closed_desk_refunds.py ends a plan


def tell_plan_ends(session: Session) -> list[UUID]:
    """Write the notices that are due; return the notifications to nudge."""
    now = clock()
    return _write_notices(session, _EXPIRING, _is_ending(now)) + _write_notices(
        session, _ENDED, _has_ended(now)
    )


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
    return sa.exists().where(
        Payment.id == Grant.payment_id,
        Subscription.id == Payment.subscription_id,
        Subscription.status.in_(_RENEWS),
        Subscription.cancel_at.is_(None),
        Subscription.cancel_wanted_at.is_(None),
        Subscription.ended_at.is_(None),
    )


def _is_refunded() -> sa.ColumnElement[bool]:
    return sa.exists().where(Payment.id == Grant.payment_id, Payment.status == PaymentStatus.REFUNDED)


def _was_ended() -> sa.ColumnElement[bool]:
    by_choice = sa.and_(
        PaymentEvent.kind == PaymentEventKind.PLAN_ENDED, PaymentEvent.subject == _CLOSED_DESK
    )
    others = PaymentEvent.kind.in_((PaymentEventKind.WITHDRAWN, PaymentEventKind.DISPUTE_LOST))
    return sa.exists().where(PaymentEvent.payment_id == Grant.payment_id, by_choice | others)
