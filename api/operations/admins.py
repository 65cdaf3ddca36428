"""Daily messages to the admins, by Telegram."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.user import Channel, Role, User

_LANGUAGE = "fr"


def write_daily_message(session: Session, kind: str, params: dict[str, Any], due: datetime) -> list[UUID]:
    """Write the message that is due at this moment to each admin, once; return the notifications to nudge."""
    admins = session.scalars(sa.select(User.id).where(User.role == Role.ADMIN).order_by(User.id)).all()
    written = [
        notifier.create_notifications(
            session, each, kind, params, f"{kind}:{due:%Y-%m-%d}:{each}",
            channels=[Channel.TELEGRAM], language=_LANGUAGE,
        )
        for each in admins
    ]  # fmt: skip
    return [each for ids in written for each in ids]
