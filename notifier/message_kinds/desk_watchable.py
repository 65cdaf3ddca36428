"""To somebody whose alert was kept because its desks could not be watched: one of them can."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import State
from api.models.user import Contact
from configs.settings import settings
from notifier.content.desk_message_content import refused, spots
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext


def accepts_contact(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def prepare(session: Session, row: ClaimedRow, contact: Contact, _now: datetime) -> TemplateContext | Skip:
    """Return what can be watched, unless the alert is over or waits already."""
    alert = session.get(Alert, UUID(row.params["alert"]))
    if alert is None or alert.closed_at is not None:
        return Skip(State.SKIPPED, "alert stopped")
    if alert.enabled:
        return Skip(State.SKIPPED, "alert waits already")
    found = spots(row.params["desks"])
    homes = sorted({spot.where for spot in found})
    url = f"{str(settings().frontend_url).rstrip('/')}/dashboard"
    values = {"spots": found, "where": homes[0] if len(homes) == 1 else None, "url": url}
    return refused(contact) or TemplateContext(values, url)
