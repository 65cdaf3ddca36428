"""To subscribers: a desk they wait for cannot be watched now."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.models.incident import Incident
from api.models.notification import State
from api.models.user import Contact
from notifier.kinds import Claimed, Facts, Held
from notifier.watching import refused, watching


def may_go_to(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def look(session: Session, row: Claimed, contact: Contact, _now: datetime) -> Facts | Held:
    """Return what is not watched, unless it is over already."""
    incident = session.get(Incident, int(row.params["incident"]))
    if incident is None or incident.ends_at is not None:
        return Held(State.EXPIRED, "watched again")
    return refused(contact) or Facts(watching(row.params, row.language))
