"""Answers to a slot alert, as the message itself shows them: which were given, and which buttons are left."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.answer import AnswerValue, MatchAnswer, find_last_change
from api.models.base import is_any_of
from api.models.notification import Match, NotificationMatch
from api.models.slot import Detection
from notifier.channel_base import Choices
from notifier.content.answer_choices import list_answer_choices, list_option_choices
from notifier.content.desk_location import location_of, name_desk

_CLOSES_ALERT = frozenset({AnswerValue.FOUND, AnswerValue.STOPPED})  # asked by alert; the others by desk


@dataclass(frozen=True, slots=True)
class AnnouncedMatch:
    """A match that a message announced, and the answer to it."""

    match_id: UUID
    alert_id: UUID
    alert_name: str | None
    desk_id: str
    prefecture_id: str
    label: str
    answer: AnswerValue | None
    answered_at: datetime | None
    announced_at: datetime

    @property
    def desk_name(self) -> str:
        """Return what tells its desk from the others of its message: `Essonne (91) · Naturalisation`."""
        return self._name(name_desk(self.desk_id, self.label))

    @property
    def name(self) -> str:
        """Return what tells its alert from the others of its message."""
        return self._name(self.alert_name) if self.alert_name else self.desk_name

    def _name(self, what: str) -> str:
        where = location_of(self.desk_id, self.prefecture_id)
        return f"{where.name} ({where.department}) · {what}"


def read_matches(session: Session, notification_ids: Sequence[UUID]) -> list[AnnouncedMatch]:
    """Return the matches that left as one message, in the order of their alerts."""
    columns = (
        Match.id, Match.alert_id, Alert.name, Detection.desk_id, Detection.prefecture_id, Detection.label,
        MatchAnswer.value, MatchAnswer.answered_at, Match.decided_at,
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(NotificationMatch, NotificationMatch.match_id == Match.id)
        .join(Alert, Alert.id == Match.alert_id)
        .join(Detection, Detection.id == Match.detection_id)
        .outerjoin(MatchAnswer, MatchAnswer.match_id == Match.id)
        .where(is_any_of(NotificationMatch.notification_id, notification_ids))
        .order_by(Match.alert_id, Match.id)
        .distinct()
    )
    return [AnnouncedMatch(*row) for row in session.execute(query)]


def list_answers(matches: Sequence[AnnouncedMatch]) -> list[dict[str, Any]]:
    """Return the answers for the texts; each with a name where not all matches have the same."""
    values = {each.answer for each in matches}
    if len(values) == 1:
        return [{"value": value.value, "name": None} for value in values if value]
    found: dict[tuple[str, str], None] = {}  # in their order, each once
    for each in matches:
        if each.answer:
            found[each.answer.value, each.name] = None
    return [{"value": value, "name": name} for value, name in found]


def needs_question(matches: Sequence[AnnouncedMatch], answer: str | None, now: datetime) -> bool:
    """Whether it must be asked what an answer is about, and there is time to."""
    may_change = any(_is_changeable(each, now) for each in matches)
    return answer is not None and may_change and len(_list_options(matches, answer)) > 1


def choose_buttons(
    matches: Sequence[AnnouncedMatch], asks: str | None, language: str, now: datetime
) -> Choices:
    """Return the buttons: for which match where the message `asks` that, else the answers while one may be given."""
    if not any(_is_changeable(each, now) for each in matches):
        return ()
    if asks:
        return list_option_choices(language, asks, _list_options(matches, asks))
    (given, *others) = {each.answer for each in matches}
    return list_answer_choices(language, given.value if given and not others else None)


def _list_options(matches: Iterable[AnnouncedMatch], answer: str) -> list[tuple[UUID, str]]:
    """Return what an answer may be about: a match for each alert that it would close, else one for each desk."""
    by_alert = answer in _CLOSES_ALERT
    options: dict[Hashable, tuple[UUID, str]] = {}
    for each in matches:
        name = each.name if by_alert else each.desk_name
        options.setdefault(each.alert_id if by_alert else each.desk_id, (each.match_id, name))
    return list(options.values())


def _is_changeable(match: AnnouncedMatch, now: datetime) -> bool:
    return match.answered_at is None or now < find_last_change(match.answered_at, match.announced_at)
