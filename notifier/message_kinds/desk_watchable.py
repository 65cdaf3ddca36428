"""The notice that a desk can be watched now, to a user whose alert was saved while none of its desks could."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import State
from api.models.user import Contact
from configs.message_groups import MessageGroup
from notifier.content.desk_message_content import desk_infos, skip_unreachable
from notifier.content.message_links import account_page
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class DeskWatchable(MessageKind):
    """Lists the desks that can be watched, with a link to the alert."""

    group = MessageGroup.DESK
    makes_notice = True
    notice_link = "/dashboard"

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what can be watched, unless the alert is over or waits already."""
        alert = session.get(Alert, UUID(row.params["alert"]))
        if alert is None or alert.closed_at is not None:
            return Skip(State.SKIPPED, "alert stopped")
        if alert.enabled:
            return Skip(State.SKIPPED, "alert waits already")
        return skip_unreachable(contact) or self.restore(session, row, contact)

    def restore(self, _session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext:
        """Return what could be watched."""
        found = desk_infos(row.params["desks"])
        homes = sorted({spot.where for spot in found})
        url = account_page("dashboard")
        values = {"spots": found, "where": homes[0] if len(homes) == 1 else None, "url": url}
        return TemplateContext(values, url)
