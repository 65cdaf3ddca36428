"""Reads of all users' alerts for operators."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.admin.alerts.schemas import AnyAlertDetails, AnyAlertEntry, AnyAlertPage, AnyAlertQuery
from api.alerts.queries import read_alert
from api.alerts.targets import get_prefecture_id
from api.errors import not_found
from api.models.alert import Alert, AlertTarget
from api.paging import read_page


def list_alerts(session: Session, wanted: AnyAlertQuery) -> AnyAlertPage:
    """Return a page of alerts, closed ones included."""
    query = sa.select(Alert).options(selectinload(Alert.targets))
    if wanted.user_id:
        query = query.where(Alert.user_id == wanted.user_id)
    if wanted.prefecture_id:
        query = query.where(_is_about(wanted.prefecture_id))
    if wanted.is_active is not None:
        waits = sa.and_(Alert.enabled, Alert.closed_at.is_(None))
        query = query.where(waits if wanted.is_active else ~waits)
    alerts, following = read_page(session, query, Alert.id, wanted)
    return AnyAlertPage(items=[_build_entry(each) for each in alerts], next=following)


def get_alert(session: Session, alert_id: UUID) -> Alert:
    """Return an alert, open or closed.

    Raises:
        api.errors.ApiError: 404.
    """
    alert = session.get(Alert, alert_id)
    if alert is None:
        raise not_found("alert")
    return alert


def read_any_alert(session: Session, alert: Alert) -> AnyAlertDetails:
    """Return one alert."""
    return AnyAlertDetails(
        user_id=alert.user_id,
        closed_at=alert.closed_at,
        closed_because=alert.closed_because,
        alert=read_alert(session, alert),
    )


def _is_about(prefecture_id: str) -> sa.ColumnElement[bool]:
    named = AlertTarget.desk_id.startswith(f"{prefecture_id}/", autoescape=True)
    target = sa.select(AlertTarget.id).where(
        AlertTarget.alert_id == Alert.id, sa.or_(AlertTarget.prefecture_id == prefecture_id, named)
    )
    return target.exists()


def _build_entry(alert: Alert) -> AnyAlertEntry:
    return AnyAlertEntry(
        id=alert.id,
        user_id=alert.user_id,
        prefecture_id=get_prefecture_id(alert.targets),
        procedures=sorted(target.procedure for target in alert.targets if target.procedure),
        desk_ids=[target.desk_id for target in alert.targets if target.desk_id],
        is_active=alert.waits,
        awaits_watch=alert.awaits_watch,
        created_at=alert.created_at,
        closed_at=alert.closed_at,
        closed_because=alert.closed_because,
    )
