"""The mail that an account is open: how an alert is made, and by which channels it comes."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from configs.languages import MESSAGE_LANGUAGES
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class Welcome(MessageKind):
    """Sells nothing: it comes without consent."""

    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, _session: Session, _row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the pages to begin with."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = account_page("dashboard")
        return TemplateContext({"url": url, "channels_url": account_page("canaux")}, url)
