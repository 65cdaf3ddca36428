"""Daily messages to the admins, by Telegram: the digest of 9:00 and the report of 19:00.

Everything is counted in the tables, so that nothing is written for an event that can wait, and a message has the same
size after ten events and ten thousand.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.ground.alarms import IS_UNANSWERED, list_unanswered, name_incident
from api.ground.messages import write_message
from api.models.appointment import Appointment
from api.models.base import first_id_at
from api.models.incident import Incident
from api.models.job import JobState
from api.models.notification import Notification, State
from api.models.payment import Payment, Refund, RefundStatus
from api.models.slot import Detection, is_from_check
from api.models.support import SupportRequest
from api.models.user import Channel, Role, User

_LISTED = 10  # open alarms that are named
_LONGEST_SUBJECT = 80  # characters
_HAS_ACCOUNT = User.role != Role.BENEFICIARY

# A renewal is no change. Who has another plan at that moment changed plans. Whom an organisation helps has its grant.
_BEGUN = sa.text("""
SELECT g.plan, count(DISTINCT g.user_id) FROM grants g
WHERE g.source <> 'organisation' AND g.starts_at >= :since AND g.starts_at < :until AND NOT EXISTS (
  SELECT FROM grants b WHERE b.user_id = g.user_id AND b.plan = g.plan AND b.id <> g.id
    AND b.starts_at < g.starts_at AND b.ends_at >= g.starts_at)
GROUP BY g.plan
""")
_ENDED = sa.text("""
SELECT g.plan, count(DISTINCT g.user_id) FROM grants g
WHERE g.source <> 'organisation' AND g.ends_at >= :since AND g.ends_at < :until AND NOT EXISTS (
  SELECT FROM grants n WHERE n.user_id = g.user_id AND n.id <> g.id AND n.starts_at <= g.ends_at
    AND n.ends_at > g.ends_at)
GROUP BY g.plan
""")
_LATE = timedelta(minutes=5)
_LONGEST_WAY = timedelta(days=2)  # from the message's row to its receipt: it is tried for a day


def write_digest(session: Session, since: datetime, until: datetime) -> None:
    """Write the digest of this time to the admins, once."""
    _write_daily_message(session, "operations_digest", count_events(session, since, until), until)


def count_events(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what happened in this time, as the values of the message."""
    span = {"since": since, "until": until}
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "accounts": _count(session, User.created_at, since, until, _HAS_ACCOUNT),
        "support": _count(session, SupportRequest.created_at, since, until),
        "begun": dict(session.execute(_BEGUN, span).all()),
        "ended": dict(session.execute(_ENDED, span).all()),
        **_count_messages(session, since, until),
        **_list_alarms(session, since, until),
    }


def _count_messages(session: Session, since: datetime, until: datetime) -> dict[str, int]:
    """Count what operators were told at once, each case once however many of them there are."""
    user, detail = Notification.params["user"].astext, Notification.params["detail"].astext
    query = sa.select(
        sa.func.count(user.distinct()).filter(Notification.kind == "hoarding"),
        sa.func.count(detail.distinct()).filter(Notification.kind == "payment_trouble"),
    ).where(
        Notification.id >= first_id_at(since), Notification.id < first_id_at(until),
        Notification.kind.in_(["hoarding", "payment_trouble"]),
    )  # fmt: skip
    hoarding, payments = session.execute(query).one()
    return {"hoarding": hoarding, "payments": payments}


def _list_alarms(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    raised, unanswered = session.execute(
        sa.select(sa.func.count(), sa.func.count().filter(Incident.acknowledged_at.is_(None))).where(
            Incident.alarm_kind.is_not(None), Incident.told_at >= since, Incident.told_at < until
        )
    ).one()
    number = session.scalars(sa.select(sa.func.count()).where(*IS_UNANSWERED)).one()
    listed = [
        {"name": name_incident(each.reason), "subject": each.subject[:_LONGEST_SUBJECT]}
        for each in list_unanswered(session)[:_LISTED]
    ]
    return {"raised": raised, "unanswered": unanswered, "open": number, "listed": listed}


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
  WHERE e.kind IN ('refused', 'bounced', 'stopped') AND e.received_at >= :oldest
    AND coalesce(e.held_at, e.applied_at) < :until
  GROUP BY n.id HAVING min(coalesce(e.held_at, e.applied_at)) >= :since
) bounced
""")
# By when the receipt was due. The sweep marks them a little later, so that the last minutes are the next report's.
_SILENT = sa.text("""
SELECT count(*) FROM notifications
WHERE state = 'no_receipt' AND id >= :first AND receipt_due_at >= :since AND receipt_due_at < :until
""")


def write_report(session: Session, since: datetime, until: datetime) -> None:
    """Write the report of this time to the admins, once."""
    _write_daily_message(session, "operations_report", measure_day(session, since, until), until)


def measure_day(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    """Return the figures of this time, as the values of the message. Money is in cents, the cost of SMS in EUR."""
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "accounts": _count(session, User.created_at, since, until, _HAS_ACCOUNT),
        "detections": _count(session, Detection.seen_at, since, until, is_from_check(Detection)),
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


_LANGUAGE = "fr"


def _write_daily_message(session: Session, kind: str, params: dict[str, Any], due: datetime) -> None:
    """Write the message that is due at this moment to each admin, once."""
    admins = sa.select(User.id).where(User.role == Role.ADMIN).order_by(User.id)
    for each in session.scalars(admins).all():
        key, channels = f"{kind}:{due:%Y-%m-%d}:{each}", [Channel.TELEGRAM]
        write_message(session, each, kind, params, key, channels=channels, language=_LANGUAGE)
