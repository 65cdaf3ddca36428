"""The notice that slots are published soon, for desks whose slots we cannot see (a source names the time)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time
from sqlalchemy.orm import Session

from api.models.notification import State
from api.models.user import Contact
from configs.languages import FRENCH, MESSAGE_LANGUAGES
from configs.message_groups import MessageGroup
from configs.prefecture import desks
from notifier.content.desk_location import name_city
from notifier.content.desk_message_content import desk_infos, skip_unreachable
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext


class ReleaseSoon(MessageKind):
    """Names the desk, and the day and hours in the desk's own time."""

    group = MessageGroup.REMINDERS
    makes_notice = True
    notice_link = "/dashboard"
    languages = tuple(MESSAGE_LANGUAGES)

    def prepare(
        self, _session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return where and when, in the desk's own time, unless it is over."""
        desk = desks().get(row.params["desk"])
        if desk is None or not desk.schedulable:
            return Skip(State.SKIPPED, "the desk is not watched any more")
        begins, ends = (_local(row.params[each], desk.zone) for each in ("begins", "ends"))
        if begins is None or (ends or begins) <= now:
            return Skip(State.EXPIRED, "published already")
        (spot,) = desk_infos([desk.id])
        words = {
            "city": name_city(desk.zone, row.language),
            "day": format_date(
                begins, "EEEE d MMMM" if row.language == FRENCH else "full", locale=row.language
            ),
            "begins": format_time(begins, "short", locale=row.language),
            "ends": ends and format_time(ends, "short", locale=row.language),
        }
        return skip_unreachable(contact) or TemplateContext({"spot": spot, **words}, desk.url)


def _local(instant: str | None, zone: ZoneInfo) -> datetime | None:
    return datetime.fromisoformat(instant).astimezone(zone) if instant else None
