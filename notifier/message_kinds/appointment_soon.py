"""The reminder of an appointment that its user found and gave a date of."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from babel.dates import format_date, format_time
from sqlalchemy.orm import Session, load_only

from api.models.appointment import Appointment
from api.models.notification import State
from api.models.user import Contact
from configs.languages import FRENCH
from configs.message_groups import MessageGroup
from configs.signed_links import MoveReminders, write_token
from notifier.content.desk_location import location_of
from notifier.content.desk_message_content import skip_unreachable
from notifier.content.message_links import link
from notifier.message_kind_base import ClaimedRow, MessageKind, Skip, TemplateContext

_COLUMNS = load_only(
    Appointment.at, Appointment.place, Appointment.first_reminder_at, Appointment.last_reminder_at
)


class AppointmentSoon(MessageKind):
    """Params: `appointment`, `step` (first, last), `due` and `at` (ISO 8601), `prefecture`."""

    group = MessageGroup.REMINDERS

    def find_end_of_use(self, params: Mapping[str, Any]) -> datetime | None:
        """Return when the appointment begins; None where a row, of an older version say, does not name it."""
        try:
            return datetime.fromisoformat(params["at"])
        except (KeyError, TypeError, ValueError):
            return None

    def prepare(
        self, session: Session, row: ClaimedRow, contact: Contact, now: datetime
    ) -> TemplateContext | Skip:
        """Return when and where it is, unless it is over or the reminder was moved."""
        if skip := skip_unreachable(contact):
            return skip
        found = session.get(Appointment, UUID(row.params["appointment"]), options=[_COLUMNS])
        if found is None or found.at is None or found.at <= now:
            return Skip(State.EXPIRED, "the appointment is over")
        due: datetime | None = getattr(found, f"{row.params['step']}_reminder_at")
        if due != datetime.fromisoformat(row.params["due"]):
            return Skip(State.SKIPPED, "the reminder was moved")
        return _describe(found, found.at, row)

    def restore(self, session: Session, row: ClaimedRow, _contact: Contact) -> TemplateContext | Skip:
        """Return when and where it was."""
        found = session.get(Appointment, UUID(row.params["appointment"]), options=[_COLUMNS])
        if found is None or found.at is None:
            return Skip(State.EXPIRED, "the appointment is over")
        return _describe(found, found.at, row)


def _describe(found: Appointment, at: datetime, row: ClaimedRow) -> TemplateContext:
    home = location_of("", row.params["prefecture"])
    local = at.astimezone(home.zone)
    url = link("reminder", write_token(MoveReminders(found.id)))
    values = {
        "where": f"{home.name} ({home.department})",
        "place": found.place or "",
        "day": _write_day(local, row.language),
        "hour": format_time(local, "short", locale=row.language),
        "url": url,
    }
    return TemplateContext(values, url)


def _write_day(local: datetime, language: str) -> str:
    """Return `mardi 1er décembre 2026`: in French, Babel has no ordinal for the first of a month."""
    day = format_date(local, "full", locale=language)
    return day.replace(" 1 ", " 1er ", 1) if language == FRENCH else day
