"""Alarms: messages of an incident to operators, which ask for acknowledgement and go out once more without one.

The first message takes the quickest channel an operator can be reached by, the second one another channel.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from api.models.incident import Incident
from api.models.user import Channel, Contact, Role, User
from notifier.notification_writer import create_notifications

_CHANNELS = (Channel.TELEGRAM, Channel.EMAIL)  # the quickest first
_LANGUAGE = "fr"
# Programs write alarms that must not read addresses: they have neither the keys nor the right.
_REACHED = load_only(Contact.user_id, Contact.channel, Contact.verified_at, Contact.enabled, Contact.state)


def raise_alarm(
    session: Session, incident: Incident, kind: str, params: dict[str, Any], now: datetime
) -> list[UUID]:
    """Notify operators of an incident, and store the message for its repetition; return what was written."""
    incident.told_at, incident.alarm_kind, incident.alarm_params = now, kind, params
    return _write(session, incident, again=False)


def repeat_alarm(session: Session, incident: Incident, now: datetime) -> list[UUID]:
    """Notify operators once more, on another channel where they have one; return what was written."""
    incident.repeated_at = now
    return _write(session, incident, again=True)


def _write(session: Session, incident: Incident, *, again: bool) -> list[UUID]:
    if incident.alarm_kind is None:
        return []
    params = {**(incident.alarm_params or {}), "incident": incident.id, "again": again}
    written: list[UUID] = []
    for user_id, channels in _list_operators(session).items():
        written += create_notifications(
            session, user_id, incident.alarm_kind, params,
            f"alarm:{incident.id}:{'again' if again else 'first'}:{user_id}",
            priority="immediate", channels=[channels[-1] if again else channels[0]], language=_LANGUAGE,
        )  # fmt: skip
    return written


def _list_operators(session: Session) -> dict[UUID, list[Channel]]:
    """Return the operators that can be reached, each with the channels, the quickest first."""
    query = (
        sa.select(Contact)
        .join(User, User.id == Contact.user_id)
        .where(User.role.in_([Role.ADMIN, Role.SUPPORT]), Contact.channel.in_(_CHANNELS))
        .options(_REACHED)
        .order_by(Contact.user_id)
    )
    found: dict[UUID, list[Channel]] = {}
    for contact in session.scalars(query):
        if contact.reachable:
            found.setdefault(contact.user_id, []).append(contact.channel)
    return {user_id: sorted(mine, key=_CHANNELS.index) for user_id, mine in found.items()}
