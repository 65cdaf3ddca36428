"""A user's notices: read, counted, and marked as read."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.ground.errors import not_found
from api.ground.paging import PageQuery, read_page
from api.ground.schemas import Answer, Body
from api.models.notification import Notice

MOST_COUNTED = 100


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


def list_notices(session: Session, user_id: UUID, wanted: PageQuery) -> NoticePage:
    """Return a page of a user's notices, and how many of all are unread."""
    mine = sa.select(Notice).where(Notice.user_id == user_id)
    shown, following = read_page(session, mine, Notice.id, wanted)
    return NoticePage(
        items=[NoticeAnswer.of_row(row, type=row.kind) for row in shown],
        unread=count_unread(session, user_id),
        next=following,
    )


def count_unread(session: Session, user_id: UUID) -> int:
    """Return how many notices of a user are unread, MOST_COUNTED at most."""
    unread = sa.select(Notice.id).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    counted = unread.order_by(Notice.id.desc()).limit(MOST_COUNTED).subquery()  # in the index's order
    return session.scalars(sa.select(sa.func.count()).select_from(counted)).one()


def mark_notice_read(session: Session, user_id: UUID, notice_id: UUID, now: datetime) -> None:
    """Mark a notice as read; one that was read keeps its time.

    Raises:
        ApiError: 404, the user has no such notice.
    """
    mine = (Notice.id == notice_id, Notice.user_id == user_id)
    if session.scalar(sa.select(Notice.id).where(*mine)) is None:
        raise not_found("notice")
    _mark(session, now, *mine)


def mark_all_read(session: Session, user_id: UUID, last: UUID, now: datetime) -> None:
    """Mark a user's notices as read up to one: those that came while the user read the others stay unread."""
    _mark(session, now, Notice.user_id == user_id, Notice.id <= last)


def _mark(session: Session, now: datetime, *which: sa.ColumnElement[bool]) -> None:
    unread = sa.update(Notice).where(*which, Notice.read_at.is_(None))
    session.execute(unread.values(read_at=now), execution_options={"synchronize_session": False})
