"""The message that a channel of the user is lost, on the others."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class ChannelLost(MessageKind):
    """Says which channel and why.

    Params: `channel`, `state` (of its contact; or `moved` to another account, `unlinked` in the chat).
    """

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it can be reached; a confirmed e-mail address also where alerts by mail are switched off."""
        is_mail = contact.channel is Channel.EMAIL and contact.verified_at is not None
        return contact.reachable or (is_mail and contact.takes_account_mail)

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what was lost."""
        if not self.accepts_contact(contact):
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = account_page("canaux")
        return TemplateContext(
            {"channel": row.params["channel"], "state": row.params["state"], "url": url}, url
        )
