"""Messages that announced slots, as their links ask about them: what their readers answer."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from http import HTTPStatus
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from api.alerts.answers import AnnouncedMatch, StoredAnswer, list_announced, read_answers, store_answers
from api.alerts.schemas import FoundAppointment
from api.alerts.targets import get_prefecture_id
from api.ground.errors import ApiError
from api.models.alert import Alert
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer, find_last_change
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.text import write_time
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
        return write_time(end, "short", locale=language, tzinfo=zone) if end > clock() else ""


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
    stored = store_answers(session, asked.user.id, matches, form.value, AnswerVia.EMAIL, found=found)
    session.flush()  # what is shown next is read anew
    return stored


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
