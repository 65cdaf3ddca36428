"""The warning that an unused account will be deleted, and how to keep it."""

from datetime import datetime

from sqlalchemy.orm import Session, load_only

from api.models.notification import State
from api.models.user import Channel, Contact, User
from configs.desk import zone_or_home
from configs.settings import settings
from notifier.content.desk_message_content import since_values
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class AccountUnused(MessageKind):
    """Says from when on the account is deleted. Params: `ends`, `used` (ISO 8601)."""

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is the account's e-mail address, confirmed or not, switched off or not."""
        return contact.channel is Channel.EMAIL

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the days of the last use and of the deletion, in the user's time zone."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        zone = zone_or_home(
            session.get_one(User, contact.user_id, options=[load_only(User.time_zone)]).time_zone
        )
        ends, used = (
            since_values({"since": row.params[name]}, zone, row.language) for name in ("ends", "used")
        )
        url = str(settings().frontend_url)
        return TemplateContext({"url": url, "ends": ends["since_day"], "used": used["since_day"]}, url)
