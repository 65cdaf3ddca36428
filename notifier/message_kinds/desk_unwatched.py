"""The notice that a desk cannot be watched now, to subscribers who wait for it."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.incident import Incident
from api.models.notification import State
from api.models.user import Contact
from configs.languages import MESSAGE_LANGUAGES
from configs.message_groups import MessageGroup
from notifier.content.desk_message_content import outage_values, skip_unreachable
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class DeskUnwatched(MessageKind):
    """Lists the desks that are not watched, the reason and since when."""

    group = MessageGroup.DESK
    makes_notice = True
    notice_link = "/dashboard"
    languages = tuple(MESSAGE_LANGUAGES)

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, _now: datetime
    ) -> TemplateContext | Skip:
        """Return what is not watched, unless it is over already."""
        incident = session.get(Incident, int(row.params["incident"]))
        if incident is None or incident.ends_at is not None:
            return Skip(State.EXPIRED, "watched again")
        return skip_unreachable(contact) or self.restore(session, row, contact)

    def restore(self, _session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext:
        """Return what was not watched."""
        return TemplateContext(outage_values(row.params, row.language))
