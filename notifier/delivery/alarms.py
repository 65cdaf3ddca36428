"""Alarms: messages of an incident to operators, which ask for acknowledgement and go out once more without one.

The first message takes the quickest channel that works and reaches the operator, the second one another channel.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, load_only

from api.models.incident import Incident
from api.models.notification import Notification
from api.models.user import Channel, Contact, Role, User
from configs.ground.circuit_breaker import PROVIDER_REST_SECONDS, CircuitBreaker
from notifier.delivery.message_writer import create_notifications

_CHANNELS = (Channel.TELEGRAM, Channel.EMAIL)  # the quickest first
_QUICKEST = "telegram"  # its only provider
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
    operators = _list_operators(session)
    used = _find_used_channels(session, incident, operators) if again else {}
    written: list[UUID] = []
    for user_id, channels in operators.items():
        others = [each for each in channels if each is not used.get(user_id)]
        written += create_notifications(
            session, user_id, incident.alarm_kind, params, _name(incident, user_id, again=again),
            priority="immediate", channels=[(others or channels)[0]], language=_LANGUAGE,
        )  # fmt: skip
    return written


def _name(incident: Incident, user_id: UUID, *, again: bool) -> str:
    """Return how the dedupe key of a message begins; its channel follows."""
    return f"alarm:{incident.id}:{'again' if again else 'first'}:{user_id}"


def _find_used_channels(
    session: Session, incident: Incident, operators: Collection[UUID]
) -> dict[UUID, Channel]:
    keys = {
        f"{_name(incident, each, again=False)}:{channel.value}": each
        for each in operators
        for channel in _CHANNELS
    }
    first = sa.select(Notification.dedupe_key, Notification.channel).where(Notification.dedupe_key.in_(keys))
    return {keys[key]: channel for key, channel in session.execute(first)}


def _list_operators(session: Session) -> dict[UUID, list[Channel]]:
    """Return the operators that can be reached, each with the channels, the quickest that works first."""
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
    order = _order_channels()
    return {user_id: sorted(mine, key=order.index) for user_id, mine in found.items()}


def _order_channels() -> Sequence[Channel]:
    """Return the channels, the quickest first; Telegram last while its provider is down."""
    is_down = CircuitBreaker(_QUICKEST, PROVIDER_REST_SECONDS()).is_open()
    return _CHANNELS[::-1] if is_down else _CHANNELS
