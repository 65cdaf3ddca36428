"""The report of 19:00: sales, registrations, detections, delays, failures and the cost of SMS since the last one."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.appointment import Appointment
from api.models.job import JobState
from api.models.notification import Notification, State
from api.models.payment import Payment, Refund, RefundStatus
from api.models.slot import Detection
from api.models.user import Channel, User
from api.operations.admins import write_daily_message
from api.paging import first_id_at

# Slot alerts that catch up say nothing about delays: their slots were seen before they were made.
_MESSAGES = sa.text("""
SELECT count(*) FILTER (WHERE kind = 'slot_detected') AS alerts,
  count(accepted_at) FILTER (WHERE kind = 'slot_detected') AS accepted,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM accepted_at - seen_at))
    FILTER (WHERE kind = 'slot_detected' AND committed_at IS NOT NULL) AS p50,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM accepted_at - seen_at))
    FILTER (WHERE kind = 'slot_detected' AND committed_at IS NOT NULL) AS p95
FROM notifications WHERE id >= :first AND id < :last
""")
# By when we learned of it: a message may come back after the report of its day. A receipt may be repeated.
_BOUNCED = sa.text("""
SELECT count(*) FROM (
  SELECT n.id
  FROM provider_events e CROSS JOIN LATERAL unnest(e.notification_ids) AS named(id)
  JOIN notifications n ON n.id = named.id AND n.state = 'bounced'
  WHERE e.kind IN ('refused', 'bounced', 'stopped') AND e.received_at >= :oldest AND e.applied_at < :until
  GROUP BY n.id HAVING min(e.applied_at) >= :since
) bounced
""")
# By when the receipt was due. The sweep marks them a little later, so that the last minutes are the next report's.
_SILENT = sa.text("""
SELECT count(*) FROM notifications
WHERE state = 'no_receipt' AND id >= :first AND receipt_due_at >= :since AND receipt_due_at < :until
""")
_LATE = timedelta(minutes=5)
_LONGEST_WAY = timedelta(days=2)  # from the message's row to its receipt: it is tried for a day


def write_report(session: Session, since: datetime, until: datetime) -> list[UUID]:
    """Write the report of this time to the admins, once; return the notifications to nudge."""
    return write_daily_message(session, "operations_report", measure_day(session, since, until), until)


def measure_day(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    """Return the figures of this time, as the values of the message. Money is in cents, the cost of SMS in EUR."""
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "accounts": _count(session, User.created_at, since, until),
        "detections": _count(session, Detection.seen_at, since, until),
        **_measure_sales(session, since, until),
        **_measure_messages(session, since, until),
        # By when it was given up: that may be a day after it was written.
        "failed": _count(session, Notification.failed_at, since, until, Notification.state == State.FAILED),
        **_measure_sms(session, since, until),
        "jobs": _count(session, JobState.failed_at, since, until),
        "answers": _count(session, Appointment.answered_at, since, until),
        "went_well": _count(session, Appointment.answered_at, since, until, Appointment.went_well.is_(True)),
    }


def _count(
    session: Session, column: Any, since: datetime, until: datetime, *also: sa.ColumnElement[bool]
) -> int:
    return session.scalars(sa.select(sa.func.count()).where(column >= since, column < until, *also)).one()


def _measure_sales(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    sold = (
        sa.select(Payment.plan, sa.func.count(), sa.func.sum(Payment.amount_cents))
        .where(Payment.paid_at >= since, Payment.paid_at < until)
        .group_by(Payment.plan)
    )
    returned = sa.select(sa.func.coalesce(sa.func.sum(Refund.amount_cents), 0)).where(
        Refund.created_at >= since, Refund.created_at < until, Refund.status != RefundStatus.FAILED
    )
    rows = session.execute(sold).all()
    return {
        "sales": {plan.value: number for plan, number, _ in rows},
        "sales_cents": sum(cents for _, _, cents in rows),
        "refunded_cents": session.scalars(returned).one(),
    }


def _measure_messages(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    row = session.execute(_MESSAGES, {"first": first_id_at(since), "last": first_id_at(until)}).one()
    seconds = {name: None if value is None else round(float(value), 2) for name, value in (
        ("p50", row.p50), ("p95", row.p95)
    )}  # fmt: skip
    return {"alerts": row.alerts, "accepted": row.accepted, **seconds} | _measure_losses(
        session, since, until
    )


def _measure_losses(session: Session, since: datetime, until: datetime) -> dict[str, int]:
    """Return how many accepted messages came back or were not heard of; each is in one report, whenever it was sent."""
    back = {"since": since, "until": until, "oldest": since - _LONGEST_WAY}
    silent = {"since": since - _LATE, "until": until - _LATE, "first": first_id_at(since - _LONGEST_WAY)}
    return {
        "bounced": session.scalars(_BOUNCED, back).one(),
        "no_receipt": session.scalars(_SILENT, silent).one(),
    }


def _measure_sms(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    sent = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Notification.cost), 0)).where(
        Notification.channel == Channel.SMS,
        Notification.accepted_at >= since,
        Notification.accepted_at < until,
    )
    number, cost = session.execute(sent).one()
    return {"sms": number, "sms_cost": str(cost)}
