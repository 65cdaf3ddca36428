"""Appointments that users found: kept, shown by the links of messages, and how they went."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_datetime, format_timedelta
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.appointment_reminders import AT_ONCE, CHOICES, USUAL, move_reminders, read_minutes
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, get_open
from api.alerts.targets import get_prefecture_id
from api.ground.errors import ensure_found
from api.ground.messages import write_message
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment, Step
from api.models.user import Channel, User
from configs.ground.clock import clock
from configs.ground.text import write_first
from configs.world.desk import zone_of
from configs.world.prefecture import Prefecture, prefectures

_KEPT = timedelta(days=90)
_QUESTION = "how_it_went"
_AFTER, _TOO_LATE = timedelta(days=1), timedelta(days=7)


def close_as_found(session: Session, user_id: UUID, alert_id: UUID, found: FoundAppointment) -> Alert:
    """Close an alert whose user has an appointment, and store the appointment where it is described.

    Raises:
        ApiError: 404; 409 where it is closed already.
    """
    lock_user(session, user_id)
    alert = get_open(session, user_id, alert_id)
    close_alert(session, alert, ClosedBecause.FOUND)
    store_appointment(session, alert.id, found)
    return alert


def store_appointment(session: Session, alert_id: UUID, found: FoundAppointment) -> None:
    """Store the appointment of an alert where it is described; the caller holds the lock of the alert's row.

    One that is stored already stays as it is.
    """
    if not (found.at or found.place or found.may_ask):
        return
    stored = sa.select(Appointment.id).where(Appointment.alert_id == alert_id)
    if session.scalar(stored) is not None:
        return
    made = Appointment(
        alert_id=alert_id,
        at=found.at,
        place=found.place,
        may_ask=found.may_ask,
        last_channel=Channel.SMS if found.remind_by_sms else None,
        created_at=clock(),
        dropped_at=(found.at or clock()) + _KEPT,
    )
    move_reminders(made, *(round(USUAL[step].total_seconds() / 60) for step in Step))
    session.add(made)


def delete_appointment(session: Session, alert_id: UUID) -> None:
    """Delete the appointment of an alert, whose user has none after all."""
    session.execute(sa.delete(Appointment).where(Appointment.alert_id == alert_id))


def get_appointment(session: Session, user_id: UUID, alert_id: UUID) -> Appointment:
    """Return the appointment of a user's alert that has a date, locked.

    Raises:
        ApiError: 404.
    """
    mine = (
        sa.select(Appointment)
        .join(Alert, Alert.id == Appointment.alert_id)
        .where(Alert.user_id == user_id, Alert.id == alert_id, Appointment.at.is_not(None))
        .with_for_update(of=Appointment)
    )
    return ensure_found(session.scalars(mine).one_or_none(), "appointment")


def find_appointment_to_come(session: Session, alert_id: UUID) -> UUID | None:
    """Return the appointment of an alert, unless it is over or has no date."""
    return session.scalar(
        sa.select(Appointment.id).where(Appointment.alert_id == alert_id, Appointment.at > clock())
    )


def ask_how_it_went(session: Session) -> None:
    """Write some of the questions about appointments of a day ago, each once.

    Where users gave no date, the day counts from their report.
    """
    now = clock()
    day = sa.func.coalesce(Appointment.at, Appointment.created_at)
    due = (
        sa.select(Appointment, Alert)
        .join(Alert, Alert.id == Appointment.alert_id)
        .where(Appointment.may_ask, Appointment.asked_at.is_(None), Appointment.answered_at.is_(None))
        .where(day <= now - _AFTER, day > now - _AFTER - _TOO_LATE)
        .order_by(Appointment.id)
        .limit(AT_ONCE)
    )
    for row, alert in session.execute(due).all():
        row.asked_at = now
        params, key = {"appointment": str(row.id)}, f"{_QUESTION}:{row.id}"
        write_message(
            session, alert.user_id, _QUESTION, params, key, priority="bulk", language=alert.language
        )


def store_answer(appointment: Appointment, *, went_well: bool) -> None:
    """Store how it went; a later answer takes the place of an earlier one, and no report counts it again."""
    appointment.went_well, appointment.answered_at = went_well, appointment.answered_at or clock()


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
