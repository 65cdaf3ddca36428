"""The mail that a link stopped the last alert of a user whose plan runs on."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import State
from api.models.user import Contact
from configs.signed_links import StopAlerts, write_token
from notifier.content.account_notices import AccountNotice
from notifier.content.message_links import account_page, link
from notifier.message_kind_base import ClaimedRow, Skip, TemplateContext


class LastWayStopped(AccountNotice):
    """Says when, and how to undo it. Params: `at` (ISO 8601), `alerts` (ids)."""

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return the link that undoes it, unless an alert waits again."""
        waiting = sa.select(Alert.id).where(
            Alert.user_id == contact.user_id, Alert.enabled, Alert.closed_at.is_(None)
        )
        if session.scalar(waiting.limit(1)):
            return Skip(State.EXPIRED, "an alert waits again")
        return self.restore(session, row, contact)

    def restore(self, session: Session, row: ClaimedRow, contact: Contact) -> TemplateContext | Skip:
        """Return the link, also where an alert waits again."""
        found = super().prepare(session, row, contact, row.created_at)
        if isinstance(found, Skip):
            return found
        undo = link(
            "unsubscribe", write_token(StopAlerts(tuple(UUID(each) for each in row.params["alerts"])))
        )
        return replace(
            found, values=found.values | {"undo_url": undo, "url": account_page("dashboard")}, url=undo
        )
