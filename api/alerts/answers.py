"""Answers to slot alerts: the matches that can be answered, answers stored once per match, their effect on the alert.

`store_answers` serves every way in: links of mails, buttons of Telegram, keys of a call, the API. An answer may change
for an hour; an alert is closed as found, stopped, or open again once the answer changed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.accounts.queries import lock_user
from api.alerts.appointments import delete_appointment, store_appointment
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, open_again, stop_alerts
from api.ground.errors import ApiError, not_found
from api.models.alert import Alert, ClosedBecause
from api.models.answer import CHANGEABLE, AnswerValue, AnswerVia, MatchAnswer, find_last_change
from api.models.base import is_any_of
from api.models.notification import Match, Notification
from api.models.organisation_access import WebhookEvent
from api.reports.service import take_answers
from configs.ground.clock import clock


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


_CLOSES = {AnswerValue.FOUND: ClosedBecause.FOUND, AnswerValue.STOPPED: ClosedBecause.STOPPED}


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
    is_reason = alert.closed_because is not None and alert.closed_because is _CLOSES.get(before)
    return is_reason and alert.closed_at is not None and alert.closed_at >= since


def _has_closing_answer(session: Session, alert: Alert) -> bool:
    """Return whether another answer keeps the alert closed: one that was given since it was opened last."""
    given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
    closing = (
        sa.select(MatchAnswer.match_id)
        .join(Match, Match.id == MatchAnswer.match_id)
        .where(Match.alert_id == alert.id, MatchAnswer.value.in_(list(_CLOSES)))
        .where(given_at >= alert.watched_since)
    )
    return session.scalar(closing.limit(1)) is not None
