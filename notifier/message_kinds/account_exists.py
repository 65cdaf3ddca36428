"""The mail to an address that was registered once more: it has its account already."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from configs.settings import settings
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext


def accepts_contact(contact: Contact) -> bool:
    """A verified e-mail address, whatever its owner switched off: it was asked for a moment ago."""
    return contact.channel is Channel.EMAIL and contact.verified_at is not None


def prepare(_session: Session, _row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext | Skip:
    """Return where to sign in."""
    if contact.state is not ContactState.OK:
        return Skip(State.SKIPPED, f"address {contact.state.value}")
    url = str(settings().frontend_url)
    return TemplateContext({"url": url}, url)
