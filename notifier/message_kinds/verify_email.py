"""The mail that verifies an address: it goes to addresses that are not verified yet."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState
from configs.contact_addresses import digest
from configs.languages import MESSAGE_LANGUAGES
from configs.signed_links import LINK_SECONDS, VerifyAddress, write_token
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_DAY = 86400


class VerifyEmail(MessageKind):
    """Carries the signed link. `registration` of the params: whose password the account takes with it.

    With `asked` it was asked for by the signed-in owner, and goes to an address that bounced, too.
    """

    is_secret = True
    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is an e-mail address that is not verified yet or that bounced, switched off or not."""
        waits = contact.verified_at is None or contact.state is ContactState.BOUNCED
        return contact.channel is Channel.EMAIL and waits

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the link, or why none is needed any more."""
        has_bounced = contact.state is ContactState.BOUNCED
        if contact.verified_at is not None and not has_bounced:
            return Skip(State.SKIPPED, "already verified")
        if contact.state is not ContactState.OK and not (has_bounced and row.params.get("asked")):
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        registration = UUID(row.params["registration"]) if "registration" in row.params else None
        url = link("verify", write_token(VerifyAddress(contact.id, digest(contact.address), registration)))
        return TemplateContext({"url": url, "days": max(1, round(LINK_SECONDS / _DAY))}, url)
