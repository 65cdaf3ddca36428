"""The choice after the desks of a paid alert closed: another desk, or the remaining time refunded."""

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

_FOR_GOOD = timedelta(days=1)  # a page that closes for the night comes back


def tell_closed_desks(session: Session) -> list[UUID]:
    """Write the choice to users whose alert has had no open page for a day; return the notifications to nudge.

    An alert is told of once, while a paid plan runs.
    """
    now = clock()
    closed = _list_closed_desks(session, now)
    if not closed:
        return []
    return [each for alert in _list_paid_alerts(session, now) for each in _tell(session, alert, closed)]


def _list_closed_desks(session: Session, now: datetime) -> set[str]:
    """Return the desks whose page the prefecture closed or moved a day ago or longer."""
    closed = sa.select(Outage.desk_id).where(
        Outage.reason == OutageReason.CLOSED, Outage.ends_at.is_(None), Outage.starts_at <= now - _FOR_GOOD
    )
    moved = sa.select(Drift.desk_id).where(Drift.ends_at.is_(None), Drift.starts_at <= now - _FOR_GOOD)
    return {*session.scalars(closed), *session.scalars(moved)}


def _list_paid_alerts(session: Session, now: datetime) -> list[Alert]:
    holders = (
        sa.select(Grant.user_id)
        .join(Payment, Payment.id == Grant.payment_id)
        .where(Grant.starts_at <= now, Grant.ends_at > now, Payment.status == PaymentStatus.COMPLETED)
    )
    waiting = sa.select(Alert).where(Alert.enabled, Alert.closed_at.is_(None), Alert.user_id.in_(holders))
    return list(session.scalars(waiting.order_by(Alert.id).options(selectinload(Alert.targets))))


def _tell(session: Session, alert: Alert, closed: set[str]) -> list[UUID]:
    desks = find_watched_desks(alert.targets)
    if not desks or not all(desk.id in closed or not desk.shows_slots for desk in desks):
        return []
    params = {"prefecture": get_prefecture_id(alert.targets)}
    return notifier.create_notifications(
        session, alert.user_id, "desk_closed_choice", params, f"desk-closed:{alert.id}"
    )
