"""Bodies of /api/admin: desks, hosts, checks and detections."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.models.desk import DeskStatus
from api.paging import PageQuery
from api.prefectures.schemas import DeskAnswer
from api.schemas import Answer, Body
from configs.world.desk import Text
from configs.world.outcome import Outcome

_LONGEST_ID = 200
_LARGEST_CHECK = 2**63 - 1
DAY, MONTH = 24, 31 * 24  # hours
DeskId = Annotated[str, Field(max_length=_LONGEST_ID)]
PrefectureId = Annotated[str, Field(max_length=100)]


class Reason(Body):
    """Reason of an operator's order, for other operators. It names no person."""

    reason: Annotated[Text, Field(max_length=200, examples=["the prefecture wrote to us"])]


class DeskQuery(Body):
    """Desks of a prefecture, with a status, or paused by an operator; `after` is the `next` of the page before."""

    prefecture_id: PrefectureId | None = None
    status: DeskStatus | None = None
    paused: bool | None = None
    after: DeskId | None = None
    limit: int = Field(50, ge=1, le=100)


class DeskEntry(DeskAnswer):
    """A desk as its subscribers see it, with what operators need.

    `pausedAt`: since when an operator paused it. `heldAt`: since when its alerts wait, after false alarms.
    """

    host: str
    due_queue: str | None
    last_outcome: Outcome | None
    check_requested_at: datetime | None
    paused_at: datetime | None
    pause_reason: str | None


class DeskPage(Answer):
    """In the order of their ids; `next` is the `after` of the following page, null at the end."""

    items: list[DeskEntry]
    next: str | None


class HostQuery(Body):
    """Which page of the hosts; `after` is the `next` of the page before."""

    after: Annotated[str, Field(max_length=300)] | None = None
    limit: int = Field(50, ge=1, le=100)


class HostEntry(Answer):
    """A web host (`name:port`). `desks`: how many of its desks are scheduled; `budgetShare`: what rate limits left."""

    host: str
    desks: int
    budget_share: float
    rests_in_a_row: int
    rests_until: datetime | None
    rest_reason: str | None
    stopped_at: datetime | None
    stop_reason: str | None


class HostPage(Answer):
    """In the order of their names; `next` is the `after` of the following page, null at the end."""

    items: list[HostEntry]
    next: str | None


class CheckQuery(Body):
    """Checks of a desk, or of all desks in the last `hours`; `before` is the `next` of the page before."""

    desk_id: DeskId | None = None
    outcome: Outcome | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)
    before: int | None = Field(None, ge=1, le=_LARGEST_CHECK)
    limit: int = Field(50, ge=1, le=100)


class CheckEntry(Answer):
    """One visit to a desk, and what it proved."""

    id: int
    started_at: datetime
    desk_id: str
    outcome: Outcome
    evidence: str
    milliseconds: int
    requests: int
    slots_seen: int
    process: str
    error: str | None
    proof_key: str | None


class CheckPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[CheckEntry]
    next: int | None


class DetectionQuery(PageQuery):
    """Detections of a prefecture or a desk."""

    prefecture_id: PrefectureId | None = None
    desk_id: DeskId | None = None


class DetectionEntry(Answer):
    """Slots that one check saw open. `matchedAt` is null while alerts are still to be matched."""

    id: UUID
    prefecture_id: str
    desk_id: str
    label: str
    site: str | None
    slots: int
    matches: int
    booking_url: str
    proof: str | None
    seen_at: datetime
    committed_at: datetime
    matched_at: datetime | None


class DetectionLog(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[DetectionEntry]
    next: UUID | None
