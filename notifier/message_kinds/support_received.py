"""The acknowledgement of a request to support, with its number."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class SupportReceived(MessageKind):
    """Says the number only: what a stranger wrote must not travel under our name to an address they chose."""

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not: its owner asked a moment ago."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the number."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        return TemplateContext({"number": row.params["number"]})
