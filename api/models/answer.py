"""Answers of users to slot alerts: what became of the slots that a match announced."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.notification import Match

CHANGEABLE = timedelta(hours=1)  # after the first answer


class AnswerValue(StrEnum):
    """What a user says about an announcement; `found` and `stopped` also close the alert."""

    FOUND = "found"  # an appointment
    TOO_LATE = "too_late"  # the slot was gone
    NOTHING_THERE = "nothing_there"  # the page showed no slot: a false alarm
    STOPPED = "stopped"


def find_last_change(answered_at: datetime, announced_at: datetime) -> datetime:
    """Return the end of the hour in which an answer may change; each announcement of its match begins one."""
    return max(answered_at, announced_at) + CHANGEABLE


class AnswerVia(StrEnum):
    """How an answer arrived."""

    EMAIL = "email"
    TELEGRAM = "telegram"
    API = "api"


class MatchAnswer(Base):
    """The answer to one match. Its value may change for an hour (`find_last_change`)."""

    __tablename__ = "answers"

    match_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Match.id, ondelete="CASCADE"), primary_key=True)
    value: Mapped[AnswerValue] = mapped_column(enum_column(AnswerValue, "value"))
    answered_at: Mapped[datetime]  # for the first time
    changed_at: Mapped[datetime | None]  # to the present value
    via: Mapped[AnswerVia] = mapped_column(enum_column(AnswerVia, "via"))  # of that value

    __table_args__ = (
        sa.CheckConstraint("changed_at >= answered_at", name="changed_after"),
        sa.Index("ix_answers_answered_at", "answered_at"),
        sa.Index(
            "ix_answers_nothing_there", "answered_at", postgresql_where=sa.text("value = 'nothing_there'")
        ),
    )
