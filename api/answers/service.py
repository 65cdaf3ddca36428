"""Answers to slot alerts: stored once per match, changeable for an hour, and their effect on the alert.

`store_answers` serves every way in: links of mails, buttons of Telegram, keys of a call, the API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.schemas import FoundAppointment
from api.alerts.service import lock_user
from api.answers.effects import AlertEffects
from api.answers.errors import AnswerFinal, ForeignMatch, UnknownMatch
from api.answers.matches import find_matches
from api.models.alert import Alert
from api.models.answer import CHANGEABLE, AnswerValue, AnswerVia, MatchAnswer
from api.models.base import is_any_of
from api.models.notification import Match
from configs.clock import clock

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
        api.answers.errors.UnknownMatch: none of the matches is there any more.
        api.answers.errors.ForeignMatch: one belongs to another user.
        api.answers.errors.AnswerFinal: all have another answer, more than an hour old.
    """
    lock_user(session, user_id)
    now = clock()
    alert_of = _find_alerts(session, user_id, match_ids)
    before = read_answers(session, list(alert_of))
    _check_changeable(before, alert_of, value, now)
    storable = {each: alert for each, alert in alert_of.items() if _may_store(before.get(each), value, now)}
    effects = AlertEffects(session, user_id, since=now - CHANGEABLE)
    previous = {alert: before[each].value for each, alert in storable.items() if each in before}
    first = min([now, *(before[each].answered_at for each in storable if each in before)])
    for match_id in storable:
        given = MatchAnswer(match_id=match_id, value=value, answered_at=now, via=via)
        _write(session, before.get(match_id), given)
    session.flush()
    for alert_id in sorted(set(storable.values())):
        effects.apply(alert_id, previous.get(alert_id), value, found)
    return StoredAnswer(
        value,
        first,
        first + CHANGEABLE,
        tuple(effects.closed),
        tuple(effects.reopened),
        tuple(effects.messages),
    )


def read_answers(session: Session, match_ids: Sequence[UUID]) -> dict[UUID, MatchAnswer]:
    """Return the answers to matches, by match."""
    given = sa.select(MatchAnswer).where(is_any_of(MatchAnswer.match_id, match_ids))
    given = given.execution_options(populate_existing=True)  # as they are under the lock
    return {each.match_id: each for each in session.scalars(given)}


def _find_alerts(session: Session, user_id: UUID, match_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the alert of each match, in the order of the matches' ids."""
    owned = (
        sa.select(Match.id, Match.alert_id, Alert.user_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(is_any_of(Match.id, match_ids))
        .order_by(Match.id)
    )
    rows = session.execute(owned).all()
    if not rows:
        raise UnknownMatch
    if any(row.user_id != user_id for row in rows):
        raise ForeignMatch
    return {row.id: row.alert_id for row in rows}


def _check_changeable(
    before: Mapping[UUID, MatchAnswer], matches: Mapping[UUID, UUID], value: AnswerValue, now: datetime
) -> None:
    if not any(_may_store(before.get(each), value, now) for each in matches):
        raise AnswerFinal(max(each.answered_at for each in before.values()) + CHANGEABLE)


def _may_store(answer: MatchAnswer | None, value: AnswerValue, now: datetime) -> bool:
    return answer is None or answer.value is value or now < answer.answered_at + CHANGEABLE


def _write(session: Session, answer: MatchAnswer | None, given: MatchAnswer) -> None:
    """Add the answer of a match, or replace the value of an earlier answer."""
    if answer is None:
        session.add(given)
    elif answer.value is not given.value:
        answer.value, answer.via, answer.changed_at = given.value, given.via, given.answered_at
