"""Changes to users' alerts by operators."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.alerts.queries import get_alert
from api.alerts.service import toggle_alert
from api.errors import ApiError
from api.models.alert import Alert
from api.models.user import User


def pause_alert(session: Session, alert_id: UUID) -> Alert:
    """Pause an alert that waits.

    Raises:
        api.errors.ApiError: 404; 409, it is paused or closed.
    """
    alert = _lock_alert(session, alert_id)
    if not alert.waits:
        raise ApiError(409, "alert-not-waiting", "this alert is paused or closed already")
    return toggle_alert(session, alert.user_id, alert_id)


def resume_alert(session: Session, alert_id: UUID) -> Alert:
    """Let a paused alert wait again, under the rules that hold for its owner.

    Raises:
        api.errors.ApiError: 404, also of a closed one; 402 or 409 as for the owner; 409, it waits.
    """
    alert = _lock_alert(session, alert_id)
    if alert.waits:
        raise ApiError(409, "alert-waiting", "this alert waits already")
    return toggle_alert(session, alert.user_id, alert_id)


def _lock_alert(session: Session, alert_id: UUID) -> Alert:
    """Return an alert under the lock of its owner's row, as for its owner's own changes."""
    owner = sa.select(Alert.user_id).where(Alert.id == alert_id).scalar_subquery()
    session.execute(sa.select(User.id).where(User.id == owner).with_for_update(key_share=True))
    return get_alert(session, alert_id)
