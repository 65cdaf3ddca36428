"""Answers to slot alerts: the matches that can be answered, answers stored once per match, their effect on the alert.

`store_answers` serves every way in: links of mails (`store_form`), buttons of Telegram, keys of a call, the API. An
answer may change for an hour; an alert is closed as found, stopped, or open again once the answer changed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from http import HTTPStatus
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.queries import lock_user
from api.alerts.appointments import delete_appointment, store_appointment
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, open_again, stop_alerts
from api.alerts.targets import get_prefecture_id
from api.ground.errors import ApiError, not_found
from api.models.alert import Alert, ClosedBecause
from api.models.answer import CHANGEABLE, AnswerValue, AnswerVia, MatchAnswer, find_last_change
from api.models.base import is_any_of
from api.models.notification import Match, Notification
from api.models.organisation_access import WebhookEvent
from api.models.user import User
from api.reports.service import take_answers
from configs.ground.clock import clock
from configs.ground.text import write_time
from configs.world.desk import zone_of, zone_or_home
from configs.world.prefecture import Prefecture, prefectures


@dataclass(frozen=True, slots=True)
class AnnouncedMatch:
    """A match that a message announced."""

    match_id: UUID
    alert_id: UUID
    user_id: UUID  # the alert's owner
    announced_at: datetime


def list_announced(session: Session, notification_id: UUID) -> list[AnnouncedMatch]:
    """Return the matches that a message announced, in the order of their alerts; none where these were deleted.

    Several notifications may have left as one message, which carries the id of one of them: the matches of all are
    returned.
    """
    announced = (
        sa.select(Match.id, Alert.id, Alert.user_id, Match.decided_at)
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(is_any_of(Notification.id, list_together(session, notification_id)))
        .order_by(Alert.id, Match.id)
        .distinct()
    )
    return [AnnouncedMatch(*row) for row in session.execute(announced)]


def find_matches_of_alert(session: Session, alert_id: UUID, detection_id: UUID | None) -> list[UUID]:
    """Return the matches of an alert with a detection, without one the newest that a message announced.

    Where no message left, that is the newest match: the account shows it.
    """
    mine = sa.select(Match.id).where(Match.alert_id == alert_id)
    if detection_id:
        return list(session.scalars(mine.where(Match.detection_id == detection_id)))
    was_sent = sa.exists().where(
        Notification.announcement_id == Match.announcement_id,
        Notification.accepted_at.is_not(None),
    )
    newest = mine.order_by(was_sent.desc(), Match.decided_at.desc(), Match.id.desc())
    return list(session.scalars(newest.limit(1)))


def list_together(session: Session, notification_id: UUID) -> Sequence[UUID]:
    """Return the notifications that left as one message: to one contact, accepted together, under one id."""
    message = sa.select(Notification.contact_id, Notification.accepted_at, Notification.provider_id)
    found = session.execute(message.where(Notification.id == notification_id)).one_or_none()
    if found is None or found.contact_id is None or found.accepted_at is None:
        return [notification_id]
    together = sa.select(Notification.id).where(
        Notification.contact_id == found.contact_id,
        Notification.accepted_at == found.accepted_at,
        Notification.provider_id.is_not_distinct_from(found.provider_id),
    )
    return session.scalars(together).all()


FINAL = "answer-final"  # the word of a refusal: another answer stands, and its hour is over


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a reply to an answer needs."""

    value: AnswerValue
    answered_at: datetime  # for the first time; of several matches the earliest
    changeable_until: datetime
    has_reopened: bool  # whether an alert is open again


def store_answers(
    session: Session,
    user_id: UUID,
    match_ids: Sequence[UUID],
    value: AnswerValue,
    via: AnswerVia,
    *,
    found: FoundAppointment | None = None,
) -> StoredAnswer:
    """Store a user's answer to matches; a repetition changes nothing, another value replaces the first for an hour.

    The value `found` closes the alerts, with the appointment where it is described; `stopped` stops them. Another
    answer within the hour opens them again where the plan allows it. Of several matches those whose answer is final
    are left as they are.

    Raises:
        ApiError: 404, none of the matches is there any more, or one belongs to another user; 409 answer-final, all
            have another answer, more than an hour old.
    """
    lock_user(session, user_id)
    now = clock()
    matches = _find_matches(session, user_id, match_ids)
    before = read_answers(session, list(matches))
    last = {key: find_last_change(each.answered_at, matches[key].decided_at) for key, each in before.items()}
    storable = [key for key in matches if key not in before or before[key].value is value or now < last[key]]
    if not storable:
        detail = f"another answer stands and cannot change any more since {max(last.values()).isoformat()}"
        raise ApiError(409, FINAL, detail)
    first = min([now, *(before[key].answered_at for key in storable if key in before)])
    replaced = _group_by_alert({key: matches[key].alert_id for key in storable}, before)
    for key in storable:
        _write(session, before.get(key), MatchAnswer(match_id=key, value=value, answered_at=now, via=via))
    session.flush()
    take_answers(session, user_id, storable, value)
    since = now - CHANGEABLE
    reopened = [_apply(session, key, replaced[key], value, found, since=since) for key in sorted(replaced)]
    return StoredAnswer(value, first, min(last.get(key, now + CHANGEABLE) for key in storable), any(reopened))


def _group_by_alert(
    alerts: Mapping[UUID, UUID], answers: Mapping[UUID, MatchAnswer]
) -> dict[UUID, set[AnswerValue]]:
    """Return the values of the answers to matches by alert; `alerts`: by match, those without an answer too."""
    values: dict[UUID, set[AnswerValue]] = {alert_id: set() for alert_id in alerts.values()}
    for key in alerts.keys() & answers:
        values[alerts[key]].add(answers[key].value)
    return values


def read_answers(session: Session, match_ids: Sequence[UUID]) -> dict[UUID, MatchAnswer]:
    """Return the answers to matches, by match."""
    given = sa.select(MatchAnswer).where(is_any_of(MatchAnswer.match_id, match_ids))
    given = given.execution_options(populate_existing=True)  # as they are under the lock
    return {each.match_id: each for each in session.scalars(given)}


def _find_matches(session: Session, user_id: UUID, match_ids: Sequence[UUID]) -> dict[UUID, Match]:
    """Return the matches by id, in the order of their ids."""
    owned = (
        sa.select(Match, Alert.user_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(is_any_of(Match.id, match_ids))
        .order_by(Match.id)
    )
    rows = session.execute(owned).all()
    if not rows or any(owner != user_id for _, owner in rows):
        raise not_found("announcement of the user's alerts")
    return {match.id: match for match, _ in rows}


def _write(session: Session, answer: MatchAnswer | None, given: MatchAnswer) -> None:
    """Add the answer of a match, or replace the value of an earlier answer."""
    if answer is None:
        session.add(given)
    elif answer.value is not given.value:
        answer.value, answer.via = given.value, given.via
        answer.changed_at = max(given.answered_at, answer.answered_at)  # a clock may be set back


# Answers that close the alerts that they are about
CLOSING = {AnswerValue.FOUND: ClosedBecause.FOUND, AnswerValue.STOPPED: ClosedBecause.STOPPED}


def _apply(
    session: Session,
    alert_id: UUID,
    before: Collection[AnswerValue],
    value: AnswerValue,
    found: FoundAppointment | None,
    *,
    since: datetime,
) -> bool:
    """Apply an answer to an alert, whose user's row is locked; return whether the alert is open again.

    `before`: the answers that it replaces, of one match each. What one closed before `since` stays closed.
    """
    alert = session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
    if alert is None:
        return False
    withdrawn = any(each is not value and _has_closed(alert, each, since) for each in before)
    if value is AnswerValue.FOUND:
        close_alert(session, alert, ClosedBecause.FOUND)
        if alert.closed_because is ClosedBecause.STOPPED:
            alert.closed_because = ClosedBecause.FOUND
            notifier.write_event(session, WebhookEvent.PERSON_FOUND, {alert.user_id: alert.id}, clock())
        if found and alert.closed_because is ClosedBecause.FOUND:
            store_appointment(session, alert.id, found)
    elif value is AnswerValue.STOPPED and withdrawn:
        alert.closed_because = ClosedBecause.STOPPED
        delete_appointment(session, alert.id)
    elif value is AnswerValue.STOPPED:
        stop_alerts(session, alert.user_id, [alert.id])
    elif withdrawn and not _has_closing_answer(session, alert):
        return _open_again(session, alert)
    return False


def _open_again(session: Session, alert: Alert) -> bool:
    """Open an alert again; one that the plan has no place for any more stays closed: return False."""
    delete_appointment(session, alert.id)
    try:
        open_again(session, alert)
    except ApiError:
        alert.closed_because = (
            ClosedBecause.STOPPED
        )  # without an appointment, and its links may open it later
        return False
    return True


def _has_closed(alert: Alert, before: AnswerValue, since: datetime) -> bool:
    """Return whether the answer that is replaced closed the alert."""
    is_reason = alert.closed_because is not None and alert.closed_because is CLOSING.get(before)
    return is_reason and alert.closed_at is not None and alert.closed_at >= since


def _has_closing_answer(session: Session, alert: Alert) -> bool:
    """Return whether another answer keeps the alert closed: one that was given since it was opened last."""
    given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
    closing = (
        sa.select(MatchAnswer.match_id)
        .join(Match, Match.id == MatchAnswer.match_id)
        .where(Match.alert_id == alert.id, MatchAnswer.value.in_(list(CLOSING)))
        .where(given_at >= alert.watched_since)
    )
    return session.scalar(closing.limit(1)) is not None


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
    session.flush()  # the answer's page reads these rows
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
