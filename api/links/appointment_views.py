"""Links in messages about an appointment: its reminders, moved or switched off, and how it went."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from babel.dates import format_datetime, format_timedelta
from flask import render_template, request
from sqlalchemy.orm import Session

from api.alerts.appointments import CHOICES, Step, move_reminders, read_minutes, store_answer
from api.alerts.targets import get_prefecture_id
from api.middleware.languages import read_language, use_account_language
from api.models.alert import Alert
from api.models.appointment import Appointment
from api.models.base import session
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.signed_links import MoveReminders, TellHowItWent, read_token
from configs.world.desk import zone_of
from configs.world.prefecture import Prefecture, prefectures


class UnknownChoice(ValueError):
    """A form asks for a reminder that is not offered."""


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
            format_datetime(self.row.at, "EEEE d MMMM y, HH:mm", tzinfo=zone, locale=language)
            if self.row.at
            else ""
        )

    def list_choices(self, step: Step, language: str) -> list[tuple[int, str, bool]]:
        """Return the choices of a reminder: minutes, the same in words, and whether it is chosen."""
        chosen = read_minutes(self.row, step)
        return [(each, _write_minutes(each, language), each == chosen) for each in CHOICES[step]]


def find_appointment(session: Session, appointment_id: UUID) -> LinkedAppointment | None:
    """Return what a link is about; None once it was erased."""
    row = session.get(Appointment, appointment_id, with_for_update=True)
    alert = session.get(Alert, row.alert_id) if row else None
    place = prefectures().get(get_prefecture_id(alert.targets)) if alert else None
    if row is None or alert is None or place is None:
        return None
    return LinkedAppointment(row, place, session.get_one(User, alert.user_id))


def is_over(found: LinkedAppointment, now: datetime) -> bool:
    """Return whether nothing is left to be reminded of."""
    return found.row.at is None or found.row.at <= now


def read_choice(text: str, step: Step) -> int | None:
    """Return the minutes that a form chose; None for no reminder.

    Raises:
        UnknownChoice: it is none of the choices.
    """
    known = {str(each): each for each in CHOICES[step]}
    if text and text not in known:
        raise UnknownChoice
    return known.get(text)


def _write_minutes(minutes: int, language: str) -> str:
    return format_timedelta(timedelta(minutes=minutes), threshold=1, locale=language)


def ask_reminders(token: str) -> str:
    """Show when the reminders of an appointment come."""
    with session() as s:
        return _render_reminders(
            find_appointment(s, read_token(MoveReminders, token).appointment), done=False
        )


def set_reminders(token: str) -> tuple[str, int]:
    """Move the reminders, or switch them off; a repetition changes nothing."""
    with session() as s:
        found = find_appointment(s, read_token(MoveReminders, token).appointment)
        try:
            chosen = [read_choice(request.form.get(step, ""), step) for step in Step]
        except UnknownChoice:
            return _render_reminders(found, done=False, refused=True), 422
        if found:
            move_reminders(found.row, *chosen)
        return _render_reminders(found, done=True), 200


def _render_reminders(found: LinkedAppointment | None, *, done: bool, refused: bool = False) -> str:
    if found is None or is_over(found, clock()):
        return render_template("reminders.html", found=None, done=done)
    use_account_language(found.user.language)
    language = read_language()
    choices = {step.value: found.list_choices(step, language) for step in Step}
    return render_template(
        "reminders.html",
        found=found,
        moment=found.write_moment(language),
        choices=choices,
        done=done,
        refused=refused,
    )


def ask_went(token: str) -> str:
    """Show the answer that would be stored."""
    with session() as s:
        answer = read_token(TellHowItWent, token)
        return _render_answer(find_appointment(s, answer.appointment), done=False, well=answer.well)


def take_answer(token: str) -> str:
    """Store how an appointment went; a repetition changes nothing."""
    answer = read_token(TellHowItWent, token)
    with session() as s:
        found = find_appointment(s, answer.appointment)
        if found:
            store_answer(found.row, went_well=answer.well)
        return _render_answer(found, done=True, well=answer.well)


def _render_answer(found: LinkedAppointment | None, *, done: bool, well: bool) -> str:
    if found:
        use_account_language(found.user.language)
    return render_template("went.html", found=found is not None, done=done, well=well)
