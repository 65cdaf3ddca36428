"""The mail that proves an address: it goes to the unverified one, that is what it is for."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from configs.addresses import digest
from configs.settings import settings
from configs.signing import sign
from notifier.kinds import Claimed, Facts, Held
from notifier.links import link

_DAY = 86400


def may_go_to(contact: Contact) -> bool:
    """An e-mail address that is not verified yet, whatever its owner switched off."""
    return contact.channel is Channel.EMAIL and contact.verified_at is None


def look(_session: Session, _row: Claimed, contact: Contact, _now: datetime) -> Facts | Held:
    """Return the link, or why none is needed any more."""
    if contact.verified_at is not None:
        return Held(State.SKIPPED, "already verified")
    if contact.state is not ContactState.OK:
        return Held(State.SKIPPED, f"address {contact.state.value}")
    told = {"contact": str(contact.id), "address": digest(contact.address)}
    url = link("verify", sign("verify-email", told))
    return Facts({"url": url, "days": max(1, round(settings().link_seconds / _DAY))}, url)
