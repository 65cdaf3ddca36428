"""Bodies of what operators see of answers: counts by desk, and reports of pages that showed nothing."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.models.answer import AnswerVia
from api.paging import MomentCursor
from api.schemas import Answer, Body

MOST_DESKS = 100


class DeskAnswers(Answer):
    """Alerts of a desk in the chosen months, and the answers to them. Operators see small numbers too."""

    desk_id: str
    alerts: int
    found: int
    too_late: int
    nothing_there: int
    stopped: int


class AnswerOverview(Answer):
    """Desks with the most false alarms first, at most MOST_DESKS."""

    desks: list[DeskAnswers]
    total: int  # desks with alerts or answers


class FalseAlarmQuery(Body):
    """Which page of the reports; `before` is the `next` of the page before."""

    before: MomentCursor | None = None
    limit: int = Field(50, ge=1, le=100)


class FalseAlarm(Answer):
    """A report that a page showed nothing. It does not say whose it is."""

    match_id: UUID
    detection_id: UUID
    desk_id: str
    seen_at: datetime  # of the detection
    answered_at: datetime
    changed_at: datetime | None
    via: AnswerVia
    still_open: bool  # a slot of the detection is open at this moment


class FalseAlarmPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[FalseAlarm]
    next: str | None
