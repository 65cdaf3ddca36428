"""The text of a message as its reader sees it."""

from api.models.base import session
from api.models.notification import Notification
from api.models.user import Channel, Contact, ContactState
from configs.clock import clock
from notifier.content.messages import render
from notifier.message_kind_base import ClaimedRow, TemplateContext
from notifier.message_kinds import kind_of


def read_mail(row: Notification) -> str:
    """Return the text of a mail, made from the rows as they are now."""
    contact = Contact(
        channel=Channel.EMAIL, address=row.address, verified_at=clock(), enabled=True, state=ContactState.OK
    )
    with session() as s:
        found = kind_of(row.kind).prepare(s, ClaimedRow.of(row), contact, clock())
    assert isinstance(found, TemplateContext), found
    return render(row.kind, "email", row.language, found).text
