"""Notices about an account's security: to its confirmed e-mail address, also where alerts by mail are switched off."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session, load_only

from api.models.notification import State
from api.models.user import Channel, Contact, User
from configs.desk import zone_or_home
from configs.settings import settings
from notifier.content.desk_message_content import since_values
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class AccountNotice(MessageKind):
    """Says what happened at `at` (ISO 8601), in the user's time zone, and with which browser."""

    def accepts_contact(self, contact: Contact) -> bool:
        """Whether it is a verified e-mail address, switched off or not."""
        return contact.channel is Channel.EMAIL and contact.verified_at is not None

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return when it happened, and where to sign in."""
        if not contact.takes_account_mail:
            return Skip(State.SKIPPED, f"address {contact.state.value}")
        url = str(settings().frontend_url)
        zone = zone_or_home(
            session.get_one(User, contact.user_id, options=[load_only(User.time_zone)]).time_zone
        )
        values: dict[str, Any] = {"url": url, "browser": row.params.get("browser", "")}
        return TemplateContext(values | since_values({"since": row.params["at"]}, zone, row.language), url)
