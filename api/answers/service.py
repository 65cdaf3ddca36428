"""Answers to slot alerts: stored once per match, changeable for an hour, and their effect on the alert.

`store_answers` serves every way in: links of mails, buttons of Telegram, keys of a call, the API.
"""

from collections import defaultdict
from collections.abc import Sequence
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
from api.models.answer import CHANGEABLE, AnswerValue, AnswerVia, MatchAnswer, find_last_change
from api.models.base import is_any_of
from api.models.notification import Match
from configs.ground.clock import clock

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
