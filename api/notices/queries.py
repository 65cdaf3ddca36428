"""Reads of a user's notices."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.notice import Notice
from api.notices.schemas import NoticeAnswer, NoticePage
from api.paging import PageQuery, read_page

MOST_COUNTED = 100


def list_notices(session: Session, user_id: UUID, wanted: PageQuery) -> NoticePage:
    """Return a page of a user's notices, and how many of all are unread."""
    mine = sa.select(Notice).where(Notice.user_id == user_id)
    shown, following = read_page(session, mine, Notice.id, wanted)
    return NoticePage(
        items=[describe_notice(row) for row in shown],
        unread=count_unread(session, user_id),
        next=following,
    )


def count_unread(session: Session, user_id: UUID) -> int:
    """Return how many notices of a user are unread, MOST_COUNTED at most."""
    unread = sa.select(Notice.id).where(Notice.user_id == user_id, Notice.read_at.is_(None))
    counted = unread.order_by(Notice.id.desc()).limit(MOST_COUNTED).subquery()  # in the index's order
    return session.scalars(sa.select(sa.func.count()).select_from(counted)).one()


def describe_notice(row: Notice) -> NoticeAnswer:
    """Return a notice as the API shows it."""
    return NoticeAnswer(
        id=row.id,
        type=row.kind,
        language=row.language,
        title=row.title,
        body=row.body,
        link=row.link,
        detection_id=row.detection_id,
        created_at=row.created_at,
        read_at=row.read_at,
        gone_at=row.gone_at,
    )
