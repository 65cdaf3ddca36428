"""Announcements that can be answered: an alert, its match with a detection, and the message about it."""

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.answers.service import StoredAnswer, store_answers
from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.notification import NotificationMatch
from configs.clock import clock
from tests.api.slot_messages import message
from tests.api.world import match, see, wait_for

_places = count()


@dataclass(frozen=True)
class Announcement:
    """Ids of an announcement."""

    owner: UUID
    alert: UUID
    detection: UUID
    match: UUID
    message: UUID


def announce(owner: UUID, alert: UUID | None = None, **columns: Any) -> Announcement:
    """Write a detection, its match with an alert (a new one unless it is named), and a message that was accepted."""
    alert_id = alert or wait_for(owner)
    detection_id, slots = see(f"2027-01-05T{next(_places) % 24:02}:{next(_places) % 60:02}:00+00:00")
    match_id = match(alert_id, detection_id, slots)
    message_id = message(clock(), user=owner, **columns)
    with session() as s:
        s.add(NotificationMatch(notification_id=message_id, match_id=match_id))
    return Announcement(owner, alert_id, detection_id, match_id, message_id)


def answer(told: Announcement, value: AnswerValue, **other: Any) -> StoredAnswer:
    """Store its owner's answer."""
    given: dict[str, Any] = {"user_id": told.owner, "match_ids": [told.match], "via": AnswerVia.API} | other
    with session() as s:
        return store_answers(s, value=value, **given)


def read_answer(told: Announcement) -> MatchAnswer | None:
    """Return the answer to a match."""
    with session() as s:
        return s.scalars(sa.select(MatchAnswer).where(MatchAnswer.match_id == told.match)).one_or_none()
