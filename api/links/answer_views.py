"""Links of slot alerts by which people answer, and of the appointments that follow: reminders, and how it went."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal
from uuid import UUID

from babel.dates import format_datetime, format_time, format_timedelta
from flask import render_template, request
from sqlalchemy.orm import Session

from api.alerts.answer_matches import AnnouncedMatch, list_announced
from api.alerts.answers import StoredAnswer, read_answers, store_answers
from api.alerts.appointment_reminders import CHOICES, move_reminders, read_minutes
from api.alerts.appointments import store_answer
from api.alerts.schemas import FoundAppointment
from api.alerts.targets import get_prefecture_id
from api.ground.errors import ApiError
from api.models.alert import Alert
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer, find_last_change
from api.models.appointment import Appointment, Step
from api.models.base import session
from api.models.user import User
from api.web.languages import read_language, use_account_language
from configs.ground.clock import clock
from configs.ground.signing import AnswerAlert, MoveReminders, TellHowItWent, read_token
from configs.world.desk import zone_of, zone_or_home
from configs.world.prefecture import Prefecture, prefectures

CLOSING = (AnswerValue.FOUND, AnswerValue.STOPPED)  # answers that close the alerts that they are about


def _refuse_form(mistake: Literal["value", "alerts", "moment"]) -> ApiError:
    """Return the refusal of a form that says too little, or something impossible, by what it lacks."""
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, mistake, f"the answer lacks: {mistake}")


@dataclass(frozen=True, slots=True)
class AskedAlert:
    """An alert that a message is about."""

    id: UUID
    place: Prefecture
    name: str | None  # its owner's
    state: str  # closed, waiting or paused


@dataclass(frozen=True, slots=True)
class AskedMessage:
    """A message that announced slots: its reader, its matches and their alerts, and the answers so far."""

    user: User
    matches: list[AnnouncedMatch]
    alerts: list[AskedAlert]
    answers: Mapping[UUID, MatchAnswer]  # by match

    @property
    def given(self) -> MatchAnswer | None:
        """The answer that stands; of several the latest."""
        return max(self.answers.values(), key=lambda each: each.changed_at or each.answered_at, default=None)

    @property
    def is_final(self) -> bool:
        """Whether each match has an answer that can change no more."""
        now = clock()
        answered = [(self.answers.get(each.match_id), each.announced_at) for each in self.matches]
        return all(each and find_last_change(each.answered_at, at) <= now for each, at in answered)

    def write_end(self, stored: StoredAnswer, language: str) -> str:
        """Return until when an answer may change: the hour on its reader's clock; empty once that is over."""
        zone = zone_or_home(self.user.time_zone)
        end = stored.changeable_until
        return format_time(end, "short", locale=language, tzinfo=zone) if end > clock() else ""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What was posted, as text."""

    value: AnswerValue | None
    alerts: Collection[str] = ()
    day: str = ""
    hour: str = ""


def find_asked(session: Session, notification_id: UUID) -> AskedMessage | None:
    """Return what a link is about; None where its alerts were deleted."""
    matches = list_announced(session, notification_id)
    alerts = [
        each for key in dict.fromkeys(match.alert_id for match in matches) for each in _show(session, key)
    ]
    if not alerts:
        return None
    user = session.get_one(User, matches[0].user_id)
    answers = read_answers(session, [each.match_id for each in matches])
    return AskedMessage(user, matches, alerts, answers)


def read_value(text: str | None) -> AnswerValue | None:
    """Return the answer that an address or a form names."""
    return next((each for each in AnswerValue if each.value == text), None)


def store_form(session: Session, asked: AskedMessage, form: AnswerForm) -> StoredAnswer:
    """Store the answer of a form.

    Raises:
        ApiError: 422, it says too little; 404 or 409, its alerts were deleted, or it comes too late.
    """
    if form.value is None:
        raise _refuse_form("value")
    alerts = _choose_alerts(asked, form, form.value)
    found = _read_found(form, alerts[0].place) if form.value is AnswerValue.FOUND else None
    chosen = {each.id for each in alerts}
    matches = [each.match_id for each in asked.matches if each.alert_id in chosen]
    return store_answers(session, asked.user.id, matches, form.value, AnswerVia.EMAIL, found=found)


def _show(session: Session, alert_id: UUID) -> list[AskedAlert]:
    """Return an alert as a page shows it; nothing where its prefecture has left the files."""
    alert = session.get(Alert, alert_id)
    place = prefectures().get(get_prefecture_id(alert.targets)) if alert else None
    if alert is None or place is None:
        return []
    state = "closed" if alert.closed_at else "waiting" if alert.enabled else "paused"
    return [AskedAlert(alert.id, place, alert.name, state)]


def _choose_alerts(asked: AskedMessage, form: AnswerForm, value: AnswerValue) -> list[AskedAlert]:
    """Return the alerts that an answer is about: all, unless it closes some of several."""
    if value not in CLOSING or len(asked.alerts) == 1:
        return asked.alerts
    chosen = [each for each in asked.alerts if str(each.id) in form.alerts]
    if not chosen:
        raise _refuse_form("alerts")
    return chosen


def _read_found(form: AnswerForm, place: Prefecture) -> FoundAppointment | None:
    """Return the appointment of a form, by the clock of the prefecture; None where none is described."""
    if not form.day and not form.hour:
        return None
    try:
        day, hour = date.fromisoformat(form.day), time.fromisoformat(form.hour)
        at = datetime.combine(day, hour, zone_of(place.time_zone))
        return FoundAppointment.model_validate({"at": at.isoformat()})
    except (ValueError, OverflowError):
        raise _refuse_form("moment") from None


def ask_answer(token: str) -> str:
    """Show the answer to a slot alert that would be stored."""
    with session() as s:
        asked = find_asked(s, read_token(AnswerAlert, token).notification)
        return _render_question(asked, token, AnswerForm(read_value(request.args.get("value"))))


def answer_alert(token: str) -> tuple[str, int]:
    """Store an answer to a slot alert; a repetition changes nothing."""
    notification_id, form = read_token(AnswerAlert, token).notification, _read_answer_form()
    try:
        with session() as s:
            asked = find_asked(s, notification_id)
            if asked is None:
                return _render_question(None, token, form), HTTPStatus.OK
            stored = store_form(s, asked, form)
            s.flush()
            shown = find_asked(s, notification_id) or asked
    except ApiError as error:  # nothing is stored: the page shows why
        mistake = error.word if error.status == HTTPStatus.UNPROCESSABLE_ENTITY else None
        with session() as s:
            page = _render_question(find_asked(s, notification_id), token, form, mistake)
        return page, error.status if mistake else HTTPStatus.CONFLICT
    return _render_stored(shown, stored), HTTPStatus.OK


def _read_answer_form() -> AnswerForm:
    value = read_value(request.form.get("value") or request.args.get("value"))
    day, hour = (request.form.get(name, "").replace("\0", "?").strip()[:20] for name in ("day", "hour"))
    return AnswerForm(value, frozenset(request.form.getlist("alert")), day, hour)


def _render_question(
    asked: AskedMessage | None, token: str, form: AnswerForm, mistake: str | None = None
) -> str:
    if asked is None:
        return render_template("answer.html", state="gone")
    use_account_language(asked.user.language)
    return render_template(
        "answer.html",
        state="final" if asked.is_final else "open",
        asked=asked,
        token=token,
        given=asked.given and asked.given.value.value,
        value=form.value and form.value.value,
        chooses_alerts=form.value in CLOSING and len(asked.alerts) > 1,
        form=form,
        mistake=mistake,
    )


def _render_stored(asked: AskedMessage, stored: StoredAnswer) -> str:
    use_account_language(asked.user.language)
    return render_template(
        "answer.html",
        state="done",
        asked=asked,
        given=stored.value.value,
        until=asked.write_end(stored, read_language()),
    )


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
        offered = {step: {"": None} | {str(each): each for each in CHOICES[step]} for step in Step}
        chosen = {step: request.form.get(step, "") for step in Step}
        if any(text not in offered[step] for step, text in chosen.items()):
            return _render_reminders(found, done=False, refused=True), 422
        if found:
            move_reminders(found.row, *(offered[step][text] for step, text in chosen.items()))
        return _render_reminders(found, done=True), 200


def _render_reminders(found: LinkedAppointment | None, *, done: bool, refused: bool = False) -> str:
    if found is None or found.row.at is None or found.row.at <= clock():
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
