"""The digest of 9:00: what happened since the last one, as numbers, and the alarms that are still open.

Everything is counted in the tables, so that nothing is written for an event that can wait, and the message has the same
size after ten events and ten thousand.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.incident import Incident
from api.models.notification import Notification
from api.models.support import SupportRequest
from api.models.user import User
from api.operations.admins import write_daily_message
from api.operations.words import name_incident
from api.paging import first_id_at

_LISTED = 10  # open alarms that are named
_LONGEST_SUBJECT = 80  # characters

# A renewal is no change. Who has another plan at that moment changed plans.
_BEGUN = sa.text("""
SELECT g.plan, count(DISTINCT g.user_id) FROM grants g
WHERE g.starts_at >= :since AND g.starts_at < :until AND NOT EXISTS (
  SELECT FROM grants b WHERE b.user_id = g.user_id AND b.plan = g.plan AND b.id <> g.id
    AND b.starts_at < g.starts_at AND b.ends_at >= g.starts_at)
GROUP BY g.plan
""")
_ENDED = sa.text("""
SELECT g.plan, count(DISTINCT g.user_id) FROM grants g
WHERE g.ends_at >= :since AND g.ends_at < :until AND NOT EXISTS (
  SELECT FROM grants n WHERE n.user_id = g.user_id AND n.id <> g.id AND n.starts_at <= g.ends_at
    AND n.ends_at > g.ends_at)
GROUP BY g.plan
""")


def write_digest(session: Session, since: datetime, until: datetime) -> list[UUID]:
    """Write the digest of this time to the admins, once; return the notifications to nudge."""
    return write_daily_message(session, "operations_digest", count_events(session, since, until), until)


def count_events(session: Session, since: datetime, until: datetime) -> dict[str, Any]:
    """Return what happened in this time, as the values of the message."""
    span = {"since": since, "until": until}
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "accounts": _count(session, User.created_at, since, until),
        "support": _count(session, SupportRequest.created_at, since, until),
        "begun": dict(session.execute(_BEGUN, span).all()),
        "ended": dict(session.execute(_ENDED, span).all()),
        **_count_messages(session, since, until),
        **_list_alarms(session, since, until),
    }


def _count(session: Session, column: Any, since: datetime, until: datetime) -> int:
    return session.scalars(sa.select(sa.func.count()).where(column >= since, column < until)).one()


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
    is_open = (
        Incident.alarm_kind.is_not(None), Incident.acknowledged_at.is_(None), Incident.ends_at.is_(None)
    )  # fmt: skip
    number = session.scalars(sa.select(sa.func.count()).where(*is_open)).one()
    newest = sa.select(Incident).where(*is_open).order_by(Incident.id.desc()).limit(_LISTED)
    listed = [
        {"name": name_incident(each.reason), "subject": each.subject[:_LONGEST_SUBJECT]}
        for each in session.scalars(newest)
    ]
    return {"raised": raised, "unanswered": unanswered, "open": number, "listed": listed}
