"""The message that support ends a lost second factor, and the one that it has ended."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session, load_only

from api.models.notification import State
from api.models.user import Channel, Contact, ContactState, User
from configs.desk import zone_or_home
from configs.languages import MESSAGE_LANGUAGES
from configs.signed_links import KeepSecondFactor, write_token
from notifier.content.desk_message_content import since_values
from notifier.content.message_links import account_page, link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class FactorEnd(MessageKind):
    """Says when the second factor ends and how to keep it, or that it has ended.

    Params: `ends` (ISO 8601), `ended`, `to` (the mailbox that the account left, where it goes there).
    """

    languages = tuple(MESSAGE_LANGUAGES)

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is its owner's for certain and takes messages, switched off or not."""
        is_mail = contact.channel is Channel.EMAIL and contact.takes_account_mail
        return contact.verified_at is not None and (contact.state is ContactState.OK or is_mail)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return when it ends, unless somebody has kept it meanwhile."""
        if "to" not in row.params and not self.accepts_contact(contact):
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        user = _read_user(session, contact.user_id)
        is_over = user.factor_ends_at != datetime.fromisoformat(row.params["ends"])
        if is_over and not row.params["ended"]:
            return Skip(State.EXPIRED, "the second factor was kept, or has ended")
        return self.restore(session, row, contact)

    def restore(self, session: Session, row: ClaimedRow, contact: Contact) -> TemplateContext:
        """Return when it ends, or has ended, in the user's time zone."""
        zone = zone_or_home(_read_user(session, contact.user_id).time_zone)
        ends, ended = row.params["ends"], bool(row.params["ended"])
        url = account_page("securite")
        if not ended:
            moment = int(datetime.fromisoformat(ends).timestamp())
            url = link("factor", write_token(KeepSecondFactor(contact.user_id, moment)))
        values = {"ended": ended, "url": url} | since_values({"since": ends}, zone, row.language)
        return TemplateContext(values, url, address=row.params.get("to"))


def _read_user(session: Session, user_id: UUID) -> User:
    return session.get_one(User, user_id, options=[load_only(User.time_zone, User.factor_ends_at)])
