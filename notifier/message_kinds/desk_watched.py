"""The notice that a desk is watched again, to subscribers who had the notice that it was not."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.user import Contact
from configs.message_groups import MessageGroup
from notifier.content.desk_message_content import outage_values, skip_unreachable
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_ACCEPTED = (State.SENT, State.DELIVERED, State.NO_RECEIPT)


class DeskWatched(MessageKind):
    """Lists the desks that are watched again."""

    group = MessageGroup.DESK
    makes_notice = True
    notice_link = "/dashboard"

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what is watched again; a contact that never had the notice of the trouble is skipped."""
        had_notice = sa.exists().where(
            Notification.contact_id == contact.id,
            Notification.kind == "desk_unwatched",
            Notification.params["incident"].astext == row.params["incident"],
            Notification.state.in_(_ACCEPTED),
        )
        if not session.scalar(sa.select(had_notice)):
            return Skip(State.SKIPPED, "the trouble was not told")
        return skip_unreachable(contact) or self.restore(session, row, contact)

    def restore(self, _session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext:
        """Return what was watched again."""
        return TemplateContext(outage_values(row.params, row.language))
