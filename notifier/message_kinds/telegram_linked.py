"""The mail that a Telegram chat was linked to an account."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.encryption import decrypt
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class TelegramLinked(MessageKind):
    """Names the chat. Params: `chat_name`, encrypted."""

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the chat's name."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = account_page("canaux")
        return TemplateContext({"chat_name": decrypt(row.params["chat_name"]), "url": url}, url)
