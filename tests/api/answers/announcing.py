"""Answers to announcements."""

from typing import Any
from uuid import UUID

from api.answers.service import StoredAnswer, store_answers
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from tests.factories import BOBIGNY, Announcement, add_answer, announce, rows


def answer(told: Announcement, value: AnswerValue, **other: Any) -> StoredAnswer:
    """Store its owner's answer."""
    given: dict[str, Any] = {"user_id": told.owner, "match_ids": [told.match], "via": AnswerVia.API} | other
    with session() as s:
        return store_answers(s, value=value, **given)


def read_answer(told: Announcement) -> MatchAnswer | None:
    """Return the answer to a match."""
    return next(iter(rows(MatchAnswer, MatchAnswer.match_id == told.match)), None)


def report(
    number: int = 1, owner: UUID | None = None, desk_id: str = BOBIGNY, proof: str | None = None
) -> list[UUID]:
    """Have alerts sent and answered as false, each to a new person unless one is named; return the matches."""
    made = [announce(owner, desk_id=desk_id, proof=proof).match for _ in range(number)]
    for each in made:
        add_answer(each)
    return made
