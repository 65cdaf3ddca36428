"""Messages to the admins, written into the caller's transaction."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.incident import IncidentReason
from api.models.user import Role, User
from api.operations.alarms import open_alarm
from configs.settings import settings


def write_to_admins(
    session: Session, kind: str, params: dict[str, Any], key: str, alarm: IncidentReason | None = None
) -> list[UUID]:
    """Write to SUPPORT_EMAIL, or to the admins where it is not set; return the notifications to nudge.

    An alarm goes to the operators, whether or not SUPPORT_EMAIL gets the mail, too. A key that was used before writes
    nothing.
    """
    alarms = open_alarm(session, alarm, key, kind, params) if alarm else []
    if to := settings().support_email:
        return [*alarms, *notifier.notify_address(session, to, kind, params, key)]
    if alarm:
        return alarms
    admins = session.scalars(sa.select(User.id).where(User.role == Role.ADMIN).order_by(User.id)).all()
    told = [notifier.create_notifications(session, each, kind, params, f"{key}:{each}") for each in admins]
    return [each for ids in told for each in ids]
