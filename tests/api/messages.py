"""Messages as their readers would see them, made from the rows as they are now; and operators with contacts."""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from api.models.base import new_id, session
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState, Role, User
from configs.ground.clock import clock
from notifier.content.message_kind_base import ClaimedRow, RenderedMessage, Skip, TemplateContext
from notifier.content.messages import render
from notifier.delivery.reader_wishes import find_wish, read_recipients
from notifier.message_kinds import kind_of
from tests.factories import add_contact, rows, save


def prepare(row: Notification, at: datetime | None = None) -> TemplateContext | Skip:
    """Return what a message says now, or at an instant."""
    at = at or clock()
    with session() as s:
        contact = s.get(Contact, row.contact_id) if row.contact_id else _make_contact(row)
        assert contact
        return kind_of(row.kind).prepare(s, ClaimedRow.of(row), contact, at)


def _make_contact(row: Notification) -> Contact:
    """Return the contact of a message to an address that is no user's."""
    return Contact(
        channel=row.channel, address=row.address, verified_at=clock(), enabled=True, state=ContactState.OK
    )


def read_again(kind: str, at: datetime | None = None) -> TemplateContext | Skip:
    """Return what the newest message of a kind says now, or at an instant."""
    return prepare(rows(Notification, Notification.kind == kind)[-1], at)


def list_tokens(kind: str = "verify_email") -> list[str]:
    """Return the tokens of the links that the messages of a kind carry, the oldest message first."""
    made = [prepare(row) for row in rows(Notification, Notification.kind == kind)]
    return [urlsplit(str(each.url)).path.split("/")[-1] for each in made if isinstance(each, TemplateContext)]


def find_newest_wish(kind: str) -> Skip | None:
    """Return why the newest message of a kind would not be sent now."""
    row = rows(Notification, Notification.kind == kind)[-1]
    with session() as s:
        return find_wish(ClaimedRow.of(row), read_recipients(s, [row.contact_id])[row.contact_id], clock())


def render_row(row: Notification, language: str | None = None) -> RenderedMessage:
    """Return a message that is sent now, in its own language unless another is named."""
    found = prepare(row)
    assert isinstance(found, TemplateContext), found
    return render(row.kind, row.channel, language or row.language, found)


def read_text(row: Notification, language: str | None = None) -> str:
    """Return the text of a message that is sent now."""
    made = render_row(row, language)
    return made.text or made.html


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
