"""To subscribers who were told that a desk cannot be watched: it is watched again."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notification import Notification, State
from api.models.user import Contact
from notifier.kinds import Claimed, Facts, Held
from notifier.watching import refused, watching

_HEARD = (State.SENT, State.DELIVERED)


def may_go_to(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def look(session: Session, row: Claimed, contact: Contact, _now: datetime) -> Facts | Held:
    """Return what is watched again; to a contact that never heard of the trouble this would be news of nothing."""
    heard = sa.exists().where(
        Notification.contact_id == contact.id,
        Notification.kind == "desk_unwatched",
        Notification.params["incident"].astext == row.params["incident"],
        Notification.state.in_(_HEARD),
    )
    if not session.scalar(sa.select(heard)):
        return Held(State.SKIPPED, "the trouble was not told")
    return refused(contact) or Facts(watching(row.params, row.language))
