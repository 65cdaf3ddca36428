"""To somebody whose alert was kept because its desks could not be watched: one of them can."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import State
from api.models.user import Contact
from configs.settings import settings
from notifier.kinds import Claimed, Facts, Held
from notifier.watching import refused, spots


def may_go_to(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def look(session: Session, row: Claimed, contact: Contact, _now: datetime) -> Facts | Held:
    """Return what can be watched, unless the alert is over or waits already."""
    alert = session.get(Alert, UUID(row.params["alert"]))
    if alert is None or alert.closed_at is not None:
        return Held(State.SKIPPED, "alert stopped")
    if alert.enabled:
        return Held(State.SKIPPED, "alert waits already")
    found = spots(row.params["desks"])
    homes = sorted({spot.where for spot in found})
    url = f"{str(settings().frontend_url).rstrip('/')}/dashboard"
    values = {"spots": found, "where": homes[0] if len(homes) == 1 else None, "url": url}
    return refused(contact) or Facts(values, url)
