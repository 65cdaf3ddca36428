"""Appointments that users found: kept, shown by the links of messages, reminded of, and how they went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from babel.dates import format_datetime, format_timedelta
from sqlalchemy.orm import Session, selectinload

from api.accounts.queries import lock_user
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, get_open
from api.alerts.targets import get_prefecture_id
from api.ground.errors import ensure_found
from api.ground.messages import write_message
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment, Step
from api.models.notification import Notification, State
from api.models.user import Channel, Contact, ContactState, Grant, User
from configs.ground.clock import clock
from configs.ground.message_groups import MessageGroup
from configs.ground.text import write_first
from configs.world.desk import zone_of
from configs.world.plan import plans
from configs.world.prefecture import Prefecture, prefectures

SPREAD = timedelta(minutes=10)
_LATE = timedelta(hours=1)  # after its time, where no job ran; later than that it is left out
_KIND = "appointment_soon"
AT_ONCE = 500
# By a chat that blocked the bot, a number that is lost, or who stopped reminders there: a mail goes instead.
_REFUSED = (State.FAILED, State.SKIPPED, State.BOUNCED)
_IS_REACHED = Contact.verified_at.is_not(None), Contact.enabled, Contact.state == ContactState.OK
_TAKES_REMINDERS = sa.literal(MessageGroup.REMINDERS.value) != sa.all_(Contact.stopped_groups)
_OTHERS = (Channel.TELEGRAM, Channel.SMS)  # than mail
USUAL_CHANNELS = {Step.FIRST: Channel.EMAIL, Step.LAST: Channel.TELEGRAM}
USUAL: dict[Step, timedelta] = {Step.FIRST: timedelta(hours=24), Step.LAST: timedelta(hours=1)}
# How long before the appointment each may come, in minutes.
CHOICES: dict[Step, Sequence[int]] = {
    Step.FIRST: (720, 1440, 2880, 10080),
    Step.LAST: (30, 60, 120, 180),
}
_KEPT = timedelta(days=90)
_QUESTION = "how_it_went"
_AFTER, _TOO_LATE = timedelta(days=1), timedelta(days=7)


def move_reminders(appointment: Appointment, first: int | None, last: int | None) -> None:
    """Set how many minutes before the appointment its reminders come; None, or a time that is over: it does not."""
    if appointment.at is None:
        return
    now = clock()
    appointment.first_reminder_at = _find_due(appointment.at, first, now)
    appointment.last_reminder_at = _find_due(appointment.at, last, now)


def _find_due(at: datetime, minutes: int | None, now: datetime) -> datetime | None:
    due = at - timedelta(minutes=minutes) if minutes else None
    return due if due and due > now else None


def choose_channels(appointment: Appointment, first: Channel | None, last: Channel | None) -> None:
    """Set by which channel each reminder comes; None: the usual one."""
    appointment.first_channel, appointment.last_channel = first, last


def read_minutes(appointment: Appointment, step: Step) -> int | None:
    """Return how many minutes before the appointment a reminder comes; None where it is switched off."""
    due = appointment.get_reminder(step)
    return round((appointment.at - due).total_seconds() / 60) if due and appointment.at else None


def write_due_reminders(session: Session) -> None:
    """Write some of the reminders that are due, none when all are written."""
    now = clock()
    for step in Step:
        for row, alert in session.execute(_select_due(step, now)).all():
            if due := row.get_reminder(step):
                _write(session, step, due, row, alert)


def _write(session: Session, step: Step, due: datetime, row: Appointment, alert: Alert) -> None:
    key = f"{_KIND}:{row.id}:{step}:{int(due.timestamp())}"
    params = {
        "appointment": str(row.id),
        "step": step.value,
        "due": due.isoformat(),
        "prefecture": get_prefecture_id(alert.targets),
        "at": row.at.isoformat() if row.at else None,
    }
    channel = _choose_channel(session, alert.user_id, step, key, row)
    write_message(
        session, alert.user_id, _KIND, params, key,
        priority="scheduled", channels=[channel], language=alert.language,
    )  # fmt: skip


def list_channels(session: Session, user_id: UUID) -> list[Channel]:
    """Return the channels by which a user may be reminded: mail, a linked chat, SMS with a plan that has them."""
    mine = sa.select(Contact.channel).where(Contact.user_id == user_id, *_IS_REACHED, _TAKES_REMINDERS)
    reached = set(session.scalars(mine.where(Contact.channel.in_(_OTHERS))))
    if not session.scalar(sa.select(_has_sms(user_id))):
        reached.discard(Channel.SMS)
    return [Channel.EMAIL, *(each for each in _OTHERS if each in reached)]


def _has_sms(user_id: Any) -> sa.ColumnElement[bool]:
    """Return the condition that a plan with SMS covers this moment."""
    with_sms = [each.name for each in plans().values() if Channel.SMS in each.channels]
    now = clock()
    return sa.exists().where(
        Grant.user_id == user_id, Grant.plan.in_(with_sms), Grant.starts_at <= now, Grant.ends_at > now
    )


def _choose_channel(session: Session, user_id: UUID, step: Step, key: str, row: Appointment) -> Channel:
    """Return the chosen or usual channel where the user is reached there and it was not refused, else mail."""
    wished = row.get_channel(step) or USUAL_CHANNELS[step]
    refused = sa.exists().where(Notification.dedupe_key == f"{key}:{wished.value}")
    is_good = wished in list_channels(session, user_id) and not session.scalar(sa.select(refused))
    return wished if is_good else Channel.EMAIL


def _select_due(step: Step, now: datetime) -> sa.Select[Appointment, Alert]:
    due = Appointment.first_reminder_at if step is Step.FIRST else Appointment.last_reminder_at
    name = sa.cast(Appointment.id, sa.Text)
    early = sa.func.mod(sa.func.hashtext(name).op("&")(0x7FFFFFFF), round(SPREAD.total_seconds()))
    second = sa.cast(sa.func.trunc(sa.extract("epoch", due)), sa.BigInteger)
    key = sa.func.concat(f"{_KIND}:", name, f":{step}:", second, ":")
    by_mail = sa.exists().where(Notification.dedupe_key == sa.func.concat(key, Channel.EMAIL.value))
    keys = [sa.func.concat(key, each.value) for each in _OTHERS]
    by_other = sa.exists().where(Notification.dedupe_key.in_(keys))
    refused = by_other.where(Notification.state.in_(_REFUSED))
    return (
        sa.select(Appointment, Alert)
        .join(Alert, Alert.id == Appointment.alert_id)
        .options(selectinload(Alert.targets))
        .where(due <= now + SPREAD, due > now - _LATE, Appointment.at > now)
        .where(_is_reached(step, refused))
        .where(due - sa.func.make_interval(0, 0, 0, 0, 0, 0, early) <= now)
        .where(~by_mail, ~by_other | refused)
        .order_by(due, Appointment.id)
        .limit(AT_ONCE)
    )


def _is_reached(step: Step, refused: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Return whether a reminder can be written: one that cannot would be found again, in front of all others."""
    chosen = Appointment.first_channel if step is Step.FIRST else Appointment.last_channel
    wished = sa.func.coalesce(chosen, sa.literal(USUAL_CHANNELS[step].value))
    mine = sa.exists().where(Contact.user_id == Alert.user_id, *_IS_REACHED)
    is_allowed = (Contact.channel != Channel.SMS) | _has_sms(Alert.user_id)
    by_other = mine.where(
        Contact.channel.in_(_OTHERS), Contact.channel == wished, _TAKES_REMINDERS, is_allowed
    )
    return mine.where(Contact.channel == Channel.EMAIL) | (by_other & ~refused)


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
