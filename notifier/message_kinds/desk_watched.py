"""To subscribers who were told that a desk cannot be watched: it is watched again."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.user import Contact
from notifier.content.desk_message_content import refused, watching
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext

_HEARD = (State.SENT, State.DELIVERED)


def accepts_contact(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def prepare(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext | Skip:
    """Return what is watched again; to a contact that never heard of the trouble this would be news of nothing."""
    heard = sa.exists().where(
        Notification.contact_id == contact.id,
        Notification.kind == "desk_unwatched",
        Notification.params["incident"].astext == row.params["incident"],
        Notification.state.in_(_HEARD),
    )
    if not session.scalar(sa.select(heard)):
        return Skip(State.SKIPPED, "the trouble was not told")
    return refused(contact) or TemplateContext(watching(row.params, row.language))
