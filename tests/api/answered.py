"""Alerts that were sent, and what their owners answered."""

from datetime import datetime
from itertools import count
from uuid import UUID

import sqlalchemy as sa

from api.models.answer import AnswerValue, AnswerVia, MatchAnswer
from api.models.base import session
from api.models.notification import NotificationMatch
from api.models.slot import Detection
from api.models.user import User
from configs.clock import clock
from tests.api.slot_messages import message
from tests.api.world import BOBIGNY, match, see, wait_for

FOUND, TOO_LATE, NOTHING_THERE, STOPPED = AnswerValue
_minutes = count()


def add_user() -> UUID:
    """Write a user."""
    with session() as s:
        user = User(email=f"u{next(_minutes)}@example.org")
        s.add(user)
        s.flush()
        return user.id


def send_alert(
    owner: UUID | None = None, desk_id: str = BOBIGNY, proof: str | None = None, *, took: float | None = 1
) -> UUID:
    """Write a detection, its match with a new alert, and a message; `took`: seconds to its acceptance."""
    owner = owner or add_user()
    number = next(_minutes)
    moment = f"2027-01-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00+00:00"
    detection_id, slots = see(moment, desk_id=desk_id)
    made = match(wait_for(owner), detection_id, slots)
    sent = message(clock(), took, user=owner)
    with session() as s:
        s.get_one(Detection, detection_id).proof_key = proof
        s.add(NotificationMatch(notification_id=sent, match_id=made))
    return made


def give_answer(
    match_id: UUID,
    value: AnswerValue = NOTHING_THERE,
    at: datetime | None = None,
    via: AnswerVia = AnswerVia.EMAIL,
) -> None:
    """Write an answer to an alert."""
    with session() as s:
        s.add(MatchAnswer(match_id=match_id, value=value, answered_at=at or clock(), via=via))


def change_answer(match_id: UUID, value: AnswerValue) -> None:
    """Change an answer now."""
    with session() as s:
        mine = sa.update(MatchAnswer).where(MatchAnswer.match_id == match_id)
        s.execute(mine.values(value=value, changed_at=clock()))


def report(
    number: int = 1, owner: UUID | None = None, desk_id: str = BOBIGNY, proof: str | None = None
) -> list[UUID]:
    """Have alerts sent and answered as false, each to a new person unless one is named; return the matches."""
    made = [send_alert(owner, desk_id, proof) for _ in range(number)]
    for each in made:
        give_answer(each)
    return made
