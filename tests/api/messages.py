"""Messages as their readers would see them, made from the rows as they are now."""

from datetime import datetime
from urllib.parse import urlsplit

from api.models.base import session
from api.models.notification import Notification
from api.models.user import Contact, ContactState
from configs.ground.clock import clock
from notifier.content.message_kind_base import ClaimedRow, Skip, TemplateContext
from notifier.content.messages import render
from notifier.content.outgoing_message import RenderedMessage
from notifier.delivery.reader_wishes import find_wish, read_recipients
from notifier.message_kinds import kind_of
from tests.factories import rows


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
