"""The mail that an account has a new e-mail address, to the old one, or a new phone number."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.settings import settings
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class AddressChanged(MessageKind):
    """Says what changed, so that a person who did not do it can act.

    Params: `changed` (email or phone), `shown` (the new address, shortened), `to` (the old e-mail address, where that
    is what changed).
    """

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what changed."""
        to = row.params.get("to")
        if to is None and not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = str(settings().frontend_url)
        values = {"changed": row.params["changed"], "shown": row.params["shown"], "url": url}
        return TemplateContext(values, url, address=to)
