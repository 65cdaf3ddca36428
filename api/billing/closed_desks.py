"""Alerts whose desks have closed for good while a paid plan runs, and the mail that offers the choice."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

import notifier
from api.alerts.targets import find_watched_desks, get_prefecture_id
from api.models.alert import Alert
from api.models.desk import Outage, OutageReason
from api.models.discovery import Drift
from api.models.payment import Payment, PaymentStatus
from api.models.user import Grant
from configs.clock import clock

Closed = Mapping[str, datetime]  # by id of the desk

_FOR_GOOD = timedelta(days=1)  # a page that closes for the night comes back


def tell_closed_desks(session: Session) -> list[UUID]:
    """Write the choice to users whose alert has had no open page for a day; return the notifications to nudge.

    An alert is told of once, while a paid plan runs.
    """
    now = clock()
    closed = _list_closed_desks(session, now)
    return [each for alert in _list_paid_alerts(session, now) for each in _tell(session, alert, closed, now)]


def find_closed_since(session: Session, alert: Alert, now: datetime) -> datetime | None:
    """Return since when an alert has had no open page; None where one is open, or none for less than a day."""
    return _find_closing(alert, _list_closed_desks(session, now), now)


def _list_closed_desks(session: Session, now: datetime) -> Closed:
    """Return the desks whose page the prefecture closed or moved a day ago or longer, each with that instant."""
    closed = sa.select(Outage.desk_id, Outage.starts_at).where(
        Outage.reason == OutageReason.CLOSED, Outage.ends_at.is_(None), Outage.starts_at <= now - _FOR_GOOD
    )
    moved = sa.select(Drift.desk_id, Drift.starts_at).where(
        Drift.ends_at.is_(None), Drift.starts_at <= now - _FOR_GOOD
    )
    return {desk_id: at for query in (moved, closed) for desk_id, at in session.execute(query)}


def _find_closing(alert: Alert, closed: Closed, now: datetime) -> datetime | None:
    """Return when the last of an alert's pages closed; `now` where the desk files have none of them any more."""
    desks = [desk for desk in find_watched_desks(alert.targets) if desk.shows_slots]
    if not all(desk.id in closed for desk in desks):
        return None
    return max((closed[desk.id] for desk in desks), default=now)


def _list_paid_alerts(session: Session, now: datetime) -> list[Alert]:
    holders = (
        sa.select(Grant.user_id)
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Grant.starts_at <= now, Grant.ends_at > now, Payment.status == PaymentStatus.COMPLETED)
    )
    waiting = sa.select(Alert).where(Alert.enabled, Alert.closed_at.is_(None), Alert.user_id.in_(holders))
    return list(session.scalars(waiting.order_by(Alert.id).options(selectinload(Alert.targets))))


def _tell(session: Session, alert: Alert, closed: Closed, now: datetime) -> list[UUID]:
    if _find_closing(alert, closed, now) is None:
        return []
    params = {"prefecture": get_prefecture_id(alert.targets), "alert": str(alert.id)}
    return notifier.create_notifications(
        session, alert.user_id, "desk_closed_choice", params, f"desk-closed:{alert.id}"
    )
