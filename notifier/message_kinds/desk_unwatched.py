"""To subscribers: a desk they wait for cannot be watched now."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.incident import Incident
from api.models.notification import State
from api.models.user import Contact
from notifier.content.desk_message_content import refused, watching
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext


def accepts_contact(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def prepare(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext | Skip:
    """Return what is not watched, unless it is over already."""
    incident = session.get(Incident, int(row.params["incident"]))
    if incident is None or incident.ends_at is not None:
        return Skip(State.EXPIRED, "watched again")
    return refused(contact) or TemplateContext(watching(row.params, row.language))
