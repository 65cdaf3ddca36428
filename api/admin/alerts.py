"""The alerts of all users, closed ones included, as operators find, pause and resume them."""

from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session, selectinload

from api.admin.found import Found, apply_filter
from api.alerts.service import toggle_alert
from api.errors import ApiError, not_found
from api.models.alert import Alert, AlertTarget
from api.models.user import User
from api.paging import PageQuery, read_page


class AnyAlertQuery(PageQuery):
    """Alerts of a user, about a prefecture, and only those that wait, or none of them."""

    user_id: UUID | None = None
    prefecture_id: str | None = Field(None, max_length=100)
    is_active: bool | None = None


def list_alerts(session: Session, wanted: AnyAlertQuery) -> Found[Alert]:
    """Return a page of alerts with their targets, the newest first."""
    query = sa.select(Alert).options(selectinload(Alert.targets))
    query = apply_filter(query, wanted, user_id=Alert.user_id)
    if wanted.prefecture_id:
        query = query.where(_is_about(wanted.prefecture_id))
    if wanted.is_active is not None:
        waits = sa.and_(Alert.enabled, Alert.closed_at.is_(None))
        query = query.where(waits if wanted.is_active else ~waits)
    return Found(*read_page(session, query, Alert.id, wanted))


def get_alert(session: Session, alert_id: UUID) -> Alert:
    """Return an alert, open or closed.

    Raises:
        api.errors.ApiError: 404.
    """
    alert = session.get(Alert, alert_id)
    if alert is None:
        raise not_found("alert")
    return alert


def pause_alert(session: Session, alert_id: UUID) -> None:
    """Pause an alert that waits.

    Raises:
        api.errors.ApiError: 404; 409, it is paused or closed.
    """
    alert = _lock_alert(session, alert_id)
    if not alert.waits:
        raise ApiError(409, "alert-not-waiting", "this alert is paused or closed already")
    toggle_alert(session, alert.user_id, alert_id)


def resume_alert(session: Session, alert_id: UUID) -> None:
    """Let a paused alert wait again, under the rules that hold for its owner.

    Raises:
        api.errors.ApiError: 404, also of a closed one; 402 or 409 as for the owner; 409, it waits.
    """
    alert = _lock_alert(session, alert_id)
    if alert.waits:
        raise ApiError(409, "alert-waiting", "this alert waits already")
    toggle_alert(session, alert.user_id, alert_id)


def _is_about(prefecture_id: str) -> sa.ColumnElement[bool]:
    named = AlertTarget.desk_id.startswith(f"{prefecture_id}/", autoescape=True)
    target = sa.select(AlertTarget.id).where(
        AlertTarget.alert_id == Alert.id, sa.or_(AlertTarget.prefecture_id == prefecture_id, named)
    )
    return target.exists()


def _lock_alert(session: Session, alert_id: UUID) -> Alert:
    """Return an alert under the lock of its owner's row, as for its owner's own changes."""
    owner = sa.select(Alert.user_id).where(Alert.id == alert_id).scalar_subquery()
    session.execute(sa.select(User.id).where(User.id == owner).with_for_update(key_share=True))
    return get_alert(session, alert_id)
