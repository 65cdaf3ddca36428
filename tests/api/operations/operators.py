"""Operators with contacts, and the messages that they were written."""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa

from api.models.base import new_id, session
from api.models.notification import Notification
from api.models.user import Channel, Role, User
from tests.factories import add_contact, save

_ADDRESSES = {Channel.EMAIL: "oscar@example.org", Channel.SMS: "+33639980017", Channel.TELEGRAM: "17"}
BOTH = (Channel.EMAIL, Channel.TELEGRAM)


class Written(NamedTuple):
    """A message to an operator."""

    kind: str
    channel: Channel
    again: bool


def add_operator(*channels: Channel, role: Role = Role.ADMIN, enabled: bool = True) -> UUID:
    """Make an operator with a verified contact on each of these channels."""
    user = save(User(email=f"{new_id()}@example.org", role=role))
    for channel in channels:
        add_contact(user.id, channel, _ADDRESSES[channel], enabled=enabled)
    return user.id


def list_written(user_id: UUID | None = None) -> list[Written]:
    """Return the messages in the order in which they were written, of one operator or of all."""
    query = sa.select(Notification).order_by(Notification.created_at, Notification.id)
    with session() as s:
        return [
            Written(each.kind, each.channel, each.params.get("again", False))
            for each in s.scalars(query)
            if user_id in (None, each.user_id)
        ]
