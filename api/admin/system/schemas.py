"""Bodies of /api/admin: notifications, dead letters, queues, audit, settings, status."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.models.audit import ActorKind
from api.models.job import JobResult
from api.models.notification import Priority, State
from api.models.user import Channel
from api.paging import MomentCursor, PageQuery
from api.schemas import INTEGRAL, Answer, Body, Flag

DAY, MONTH = 24, 31 * 24  # hours
MOST_REPLAYED = 1000
MOST_CAUSES = 20
Kind = Annotated[str, Field(max_length=60)]
Part = Annotated[str, Field(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", min_length=1, max_length=200)]


class NotificationQuery(PageQuery):
    """Notifications of a user, or of all users in the last `hours`."""

    user_id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    state: State | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


class NotificationEntry(Answer):
    """One message to one person, without its address and its contents.

    `userId` is null for a message to an address without an account: SUPPORT_EMAIL, or a visitor's who wrote to support.
    """

    id: UUID
    user_id: UUID | None
    channel: Channel
    kind: str
    language: str
    priority: Priority
    state: State
    reason: str | None
    attempts: int
    unknown_attempts: int
    provider: str | None
    created_at: datetime
    next_attempt_at: datetime
    accepted_at: datetime | None
    delivered_at: datetime | None
    failed_at: datetime | None


class NotificationLog(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[NotificationEntry]
    next: UUID | None


class DeadLetterQuery(Body):
    """Messages that failed for good in the last `hours`; `reason`: a part of the stored reason.

    `before` is the `next` of the page before.
    """

    before: MomentCursor | None = None
    limit: int = Field(50, ge=1, le=100)
    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


class FailureCause(Answer):
    """A reason for which messages of a channel and a kind failed for good.

    `reason` is without addresses; `exact`: there were none, so that it can be searched for.
    """

    channel: Channel
    kind: str
    reason: str
    exact: bool
    messages: int


class DeadLetterPage(Answer):
    """The latest failure first; `next` is the `before` of the following page, null at the end."""

    items: list[NotificationEntry]
    next: str | None


class Replay(Body):
    """Which dead letters to send again: the newest `most` that fit. With `ids` only these, however old they are.

    `unsure`: also what may have arrived; its recipient may get it twice.
    """

    ids: list[UUID] = Field(default_factory=list, max_length=MOST_REPLAYED)
    channel: Channel | None = None
    kind: Kind | None = None
    reason: Part | None = None
    hours: Annotated[int, Field(ge=1, le=MONTH, strict=True), INTEGRAL] = DAY
    most: Annotated[int, Field(ge=1, le=MOST_REPLAYED, strict=True), INTEGRAL] = 100
    unsure: Flag = False


class Replayed(Answer):
    """How many were chosen, and which of them leave again."""

    chosen: int
    replayed: list[UUID]


class JobQuery(Body):
    """A background job, or those that ended so the last time."""

    job: Kind | None = None
    result: JobResult | None = None


class JobQueue(Answer):
    """A queue of jobs: how many wait, the age of the oldest, how many failed."""

    name: str
    jobs: int
    oldest_seconds: float | None
    failed: int


class DueQueue(Answer):
    """The due queue of a booking system: desks, those late and by how much at most, those that wait for their host."""

    system: str
    desks: int
    overdue: int
    latest_seconds: float
    held_back: int
    pushed: int


class QueueReport(Answer):
    """All queues."""

    jobs: list[JobQueue]
    due: list[DueQueue]


class AuditQuery(PageQuery):
    """Entries by who acted, what was done, and to what."""

    actor_id: UUID | None = None
    action: str | None = Field(None, max_length=60)
    subject_type: str | None = Field(None, max_length=60)
    subject_id: str | None = Field(None, max_length=300)


class AuditItem(Answer):
    """What an operator did or saw. `changes`: fields with their value before and after, no personal data."""

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor_kind: ActorKind
    action: str
    subject_type: str
    subject_id: str | None
    request_id: str | None
    changes: dict[str, Any]


class AuditPage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end."""

    items: list[AuditItem]
    next: UUID | None


class SettingEntry(Answer):
    """A setting of the API's process. The value of a secret is never shown."""

    name: str = Field(examples=["SMS_DAY_STOP"])
    value: str | None
    is_set: bool
    is_secret: bool


class SettingList(Answer):
    """In the order of their names."""

    items: list[SettingEntry]


class StatusReport(Answer):
    """What `make status` shows: `down` names what does not work; a part that cannot be read is `{"down": why}`."""

    at: datetime
    environment: str
    works: bool
    down: list[str]
    parts: dict[str, Any]
