"""The mail that proves an address: it goes to the unverified one, that is what it is for."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from configs.contact_addresses import digest
from configs.settings import settings
from configs.signing import sign
from notifier.content.message_links import link
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext

_DAY = 86400


def accepts_contact(contact: Contact) -> bool:
    """An e-mail address that is not verified yet, whatever its owner switched off."""
    return contact.channel is Channel.EMAIL and contact.verified_at is None


def prepare(_session: Session, _row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext | Skip:
    """Return the link, or why none is needed any more."""
    if contact.verified_at is not None:
        return Skip(State.SKIPPED, "already verified")
    if contact.state is not ContactState.OK:
        return Skip(State.SKIPPED, f"address {contact.state.value}")
    told = {"contact": str(contact.id), "address": digest(contact.address)}
    url = link("verify", sign("verify-email", told))
    return TemplateContext({"url": url, "days": max(1, round(settings().link_seconds / _DAY))}, url)
