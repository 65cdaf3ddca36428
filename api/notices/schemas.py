"""Bodies of a user's notices."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import Answer, Body


class NoticeAnswer(Answer):
    """What the app shows its user. `title` and `body` are plain text in `language`, as they were written.

    `link` is the path of a page of ours. `goneAt`: when what it announced was gone.
    """

    id: UUID
    type: str = Field(examples=["slot_detected"])
    language: str
    title: str
    body: str
    link: str | None
    detection_id: UUID | None
    created_at: datetime
    read_at: datetime | None
    gone_at: datetime | None


class NoticePage(Answer):
    """The newest first; `next` is the `before` of the following page, null at the end.

    `unread` counts all unread notices, up to 100.
    """

    items: list[NoticeAnswer]
    unread: int
    next: UUID | None


class ReadWish(Body):
    """Which notices were read: all up to `last`, the newest one that was shown."""

    last: UUID


class UnreadCount(Answer):
    """How many notices are unread."""

    unread: int
