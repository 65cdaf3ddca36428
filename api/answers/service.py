"""Answers to slot alerts: stored once per match, changeable for an hour, and their effect on the alert.

`store_answers` serves every way in: links of mails, buttons of Telegram, keys of a call, the API. An alert is closed as
found, stopped, or open again once the answer changed.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.accounts.queries import lock_user
from api.alerts.appointments import delete_appointment, store_appointment
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, open_again, stop_alerts
from api.answers.matches import find_matches
from api.errors import ApiError
from api.models.alert import Alert, ClosedBecause
from api.models.answer import CHANGEABLE, AnswerValue, AnswerVia, MatchAnswer, find_last_change
from api.models.base import is_any_of
from api.models.notification import Match
from configs.ground.clock import clock


class AnswerRefused(Exception):
    """An answer that is not stored; nothing has changed."""


class UnknownMatch(AnswerRefused):
    """There is no such match any more: its alert was deleted."""

    def __init__(self) -> None:
        super().__init__("there is nothing to answer any more: the alert was deleted")


class ForeignMatch(AnswerRefused):
    """A match belongs to another user's alert."""

    def __init__(self) -> None:
        super().__init__("this alert belongs to another account")


class AnswerFinal(AnswerRefused):
    """Another answer was given, and the hour in which it could change is over."""

    def __init__(self, since: datetime) -> None:
        super().__init__(f"another answer stands and cannot change any more since {since.isoformat()}")
        self.since = since


__all__ = ["CHANGEABLE", "StoredAnswer", "find_matches", "read_answers", "store_answers"]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a reply to an answer needs."""

    value: AnswerValue
    answered_at: datetime  # for the first time; of several matches the earliest
    changeable_until: datetime
    closed: tuple[UUID, ...]  # alerts that this answer closed now
    reopened: tuple[UUID, ...]  # alerts that are open again: catch up on them after the commit
    messages: tuple[UUID, ...]  # notifications to nudge after the commit


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
        api.answers.service.UnknownMatch: none of the matches is there any more.
        api.answers.service.ForeignMatch: one belongs to another user.
        api.answers.service.AnswerFinal: all have another answer, more than an hour old.
    """
    lock_user(session, user_id)
    now = clock()
    matches = _find_matches(session, user_id, match_ids)
    before = read_answers(session, list(matches))
    ends = {
        each: find_last_change(answer.answered_at, matches[each].decided_at)
        for each, answer in before.items()
    }
    storable = {
        each: match.alert_id
        for each, match in matches.items()
        if each not in before or before[each].value is value or now < ends[each]
    }
    if not storable:
        raise AnswerFinal(max(ends.values()))
    effects = AlertEffects(session, user_id, since=now - CHANGEABLE)
    previous: dict[UUID, set[AnswerValue]] = defaultdict(set)
    for match_id, alert_id in storable.items():
        if match_id in before:
            previous[alert_id].add(before[match_id].value)
    first = min([now, *(before[each].answered_at for each in storable if each in before)])
    for match_id in storable:
        given = MatchAnswer(match_id=match_id, value=value, answered_at=now, via=via)
        _write(session, before.get(match_id), given)
    session.flush()
    for alert_id in sorted(set(storable.values())):
        effects.apply(alert_id, previous[alert_id], value, found)
    return StoredAnswer(
        value,
        first,
        min(ends.get(each, now + CHANGEABLE) for each in storable),
        tuple(effects.closed),
        tuple(effects.reopened),
        tuple(effects.messages),
    )


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
    if not rows:
        raise UnknownMatch
    if any(owner != user_id for _, owner in rows):
        raise ForeignMatch
    return {match.id: match for match, _ in rows}


def _write(session: Session, answer: MatchAnswer | None, given: MatchAnswer) -> None:
    """Add the answer of a match, or replace the value of an earlier answer."""
    if answer is None:
        session.add(given)
    elif answer.value is not given.value:
        answer.value, answer.via = given.value, given.via
        answer.changed_at = max(given.answered_at, answer.answered_at)  # a clock may be set back


_CLOSES = {AnswerValue.FOUND: ClosedBecause.FOUND, AnswerValue.STOPPED: ClosedBecause.STOPPED}


@dataclass(slots=True)
class AlertEffects:
    """Applies an answer to the alerts of one user, whose row the caller has locked."""

    session: Session
    user_id: UUID
    since: datetime  # what an answer closed before that stays closed
    closed: list[UUID] = field(default_factory=list, init=False)
    reopened: list[UUID] = field(default_factory=list, init=False)
    messages: list[UUID] = field(default_factory=list, init=False)

    def apply(
        self,
        alert_id: UUID,
        before: Collection[AnswerValue],
        value: AnswerValue,
        found: FoundAppointment | None,
    ) -> None:
        """Apply an answer to an alert; `before` are those that it replaces, of one match each."""
        alert = self.session.get(Alert, alert_id, with_for_update=True, populate_existing=True)
        if alert is None:
            return
        was_open = alert.closed_at is None
        withdrawn = any(each is not value and self._has_closed(alert, each) for each in before)
        if value is AnswerValue.FOUND:
            self._close_as_found(alert, found)
        elif value is AnswerValue.STOPPED:
            self._stop(alert, withdrawn=withdrawn)
        elif withdrawn and not self._has_closing_answer(alert):
            self._open_again(alert)
        if was_open and alert.closed_at is not None:
            self.closed.append(alert_id)

    def _close_as_found(self, alert: Alert, found: FoundAppointment | None) -> None:
        close_alert(self.session, alert, ClosedBecause.FOUND)
        if alert.closed_because is ClosedBecause.STOPPED:
            alert.closed_because = ClosedBecause.FOUND
        if found and alert.closed_because is ClosedBecause.FOUND:
            store_appointment(self.session, alert.id, found)

    def _stop(self, alert: Alert, *, withdrawn: bool) -> None:
        if not withdrawn:
            self.messages += stop_alerts(self.session, self.user_id, [alert.id])
            return
        alert.closed_because = ClosedBecause.STOPPED
        delete_appointment(self.session, alert.id)

    def _open_again(self, alert: Alert) -> None:
        """Open an alert again; one that the plan has no place for any more stays closed."""
        delete_appointment(self.session, alert.id)
        try:
            open_again(self.session, alert)
        except ApiError:
            alert.closed_because = (
                ClosedBecause.STOPPED
            )  # without an appointment, and its links may open it later
            return
        self.reopened.append(alert.id)

    def _has_closed(self, alert: Alert, before: AnswerValue) -> bool:
        """Return whether the answer that is replaced closed the alert."""
        if alert.closed_at is None or alert.closed_because is not _CLOSES.get(before):
            return False
        return alert.closed_at >= self.since

    def _has_closing_answer(self, alert: Alert) -> bool:
        """Return whether another answer keeps the alert closed: one that was given since it was opened last."""
        given_at = sa.func.coalesce(MatchAnswer.changed_at, MatchAnswer.answered_at)
        closing = (
            sa.select(MatchAnswer.match_id)
            .join(Match, Match.id == MatchAnswer.match_id)
            .where(Match.alert_id == alert.id, MatchAnswer.value.in_(list(_CLOSES)))
            .where(given_at >= alert.watched_since)
        )
        return self.session.scalar(closing.limit(1)) is not None
