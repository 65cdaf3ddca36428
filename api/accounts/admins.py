"""Messages to the admins, written into the caller's transaction."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.user import Role, User
from configs.settings import settings


def write_to_admins(session: Session, kind: str, params: dict[str, Any], key: str) -> list[UUID]:
    """Write to SUPPORT_EMAIL, or to the admins where it is not set; return the notifications to nudge.

    A key that was used before writes nothing.
    """
    if to := settings().support_email:
        return notifier.notify_address(session, to, kind, params, key)
    admins = session.scalars(sa.select(User.id).where(User.role == Role.ADMIN).order_by(User.id)).all()
    told = [notifier.create_notifications(session, each, kind, params, f"{key}:{each}") for each in admins]
    return [each for ids in told for each in ids]
