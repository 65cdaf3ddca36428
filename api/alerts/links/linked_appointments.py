"""Appointments that links of messages are about."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from babel.dates import format_datetime, format_timedelta
from sqlalchemy.orm import Session

from api.alerts.appointment_reminders import CHOICES, read_minutes
from api.alerts.targets import get_prefecture_id
from api.models.alert import Alert
from api.models.appointment import Appointment, Step
from api.models.user import User
from configs.ground.text import write_first
from configs.world.desk import zone_of
from configs.world.prefecture import Prefecture, prefectures


@dataclass(frozen=True, slots=True)
class LinkedAppointment:
    """An appointment that a link is about, its prefecture and its user."""

    row: Appointment
    place: Prefecture
    user: User

    def write_moment(self, language: str) -> str:
        """Return day and hour in the prefecture's zone, in words; empty where they are unknown."""
        zone = zone_of(self.place.time_zone)
        return (
            write_first(format_datetime(self.row.at, "EEEE d MMMM y, HH:mm", tzinfo=zone, locale=language))
            if self.row.at
            else ""
        )

    def list_choices(self, step: Step, language: str) -> list[tuple[int, str, bool]]:
        """Return the choices of a reminder: minutes, the same in words, and whether it is chosen."""
        chosen = read_minutes(self.row, step)
        words = partial(format_timedelta, threshold=1, locale=language)
        return [(each, words(timedelta(minutes=each)), each == chosen) for each in CHOICES[step]]


def find_appointment(session: Session, appointment_id: UUID) -> LinkedAppointment | None:
    """Return what a link is about; None once it was erased."""
    row = session.get(Appointment, appointment_id, with_for_update=True)
    alert = session.get(Alert, row.alert_id) if row else None
    place = prefectures().get(get_prefecture_id(alert.targets)) if alert else None
    if row is None or alert is None or place is None:
        return None
    return LinkedAppointment(row, place, session.get_one(User, alert.user_id))
