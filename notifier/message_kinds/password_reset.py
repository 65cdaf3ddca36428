"""The mail with the link to choose a new password; it also goes to an address that is not verified yet."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Channel, Contact, User
from configs.contact_addresses import digest
from configs.signed_links import PASSWORD_RESET_SECONDS, ResetPassword, write_token
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_MINUTE = 60


class PasswordReset(MessageKind):
    """Carries the signed link. It is good for one password: the next one makes it useless."""

    is_secret = True

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is an e-mail address, switched off or not: its owner asked a moment ago."""
        return contact.channel is Channel.EMAIL

    def prepare(
        self, session: Session, _row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the link, or why it is not sent."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        password_hash = session.scalars(sa.select(User.password_hash).where(User.id == contact.user_id)).one()
        reset = ResetPassword(contact.id, digest(contact.address), digest(password_hash or ""))
        url = link("reset", write_token(reset))
        minutes = max(1, round(PASSWORD_RESET_SECONDS / _MINUTE))
        return TemplateContext({"url": url, "minutes": minutes}, url)
