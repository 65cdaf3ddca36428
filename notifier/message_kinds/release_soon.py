"""To whoever waits for a desk whose slots we cannot see: they are published soon, as a source tells."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.prefecture import desks
from notifier.content.desk_message_content import refused, spots
from notifier.message_kinds import ClaimedRow, Skip, TemplateContext


def accepts_contact(contact: Contact) -> bool:
    """Where a person wants to be reached and can be."""
    return contact.reachable


def prepare(_session: Session, row: ClaimedRow, contact: Contact, now: datetime) -> TemplateContext | Skip:
    """Return where and when, in the desk's own time, unless it is over."""
    desk = desks().get(row.params["desk"])
    if desk is None or not desk.schedulable:
        return Skip(State.SKIPPED, "the desk is not watched any more")
    begins, ends = (_local(row.params[each], desk.zone) for each in ("begins", "ends"))
    if begins is None or (ends or begins) <= now:
        return Skip(State.EXPIRED, "published already")
    (spot,) = spots([desk.id])
    words = {
        "day": format_date(begins, "EEEE d MMMM", locale=row.language),
        "begins": format_time(begins, "short", locale=row.language),
        "ends": ends and format_time(ends, "short", locale=row.language),
    }
    return refused(contact) or TemplateContext({"spot": spot, **words}, desk.url)


def _local(instant: str | None, zone: ZoneInfo) -> datetime | None:
    return datetime.fromisoformat(instant).astimezone(zone) if instant else None
