"""The mail to an address that is registered once more: it leads to the account that exists."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.settings import settings
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class AccountExists(MessageKind):
    """Says where to sign in."""

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not: its owner asked a moment ago."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, _session: Session, _row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return where to sign in."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = str(settings().frontend_url)
        return TemplateContext({"url": url}, url)
