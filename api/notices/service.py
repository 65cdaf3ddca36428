"""Changes of a user's notices: they are read, nothing else."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.errors import not_found
from api.models.notice import Notice


def read_notice(session: Session, user_id: UUID, notice_id: UUID, now: datetime) -> None:
    """Mark a notice as read; one that was read keeps its time.

    Raises:
        api.errors.ApiError: 404, the user has no such notice.
    """
    mine = (Notice.id == notice_id, Notice.user_id == user_id)
    if session.scalar(sa.select(Notice.id).where(*mine)) is None:
        raise not_found("notice")
    _mark(session, now, *mine)


def read_all(session: Session, user_id: UUID, last: UUID, now: datetime) -> None:
    """Mark a user's notices as read up to one: those that came while the user read the others stay unread."""
    _mark(session, now, Notice.user_id == user_id, Notice.id <= last)


def _mark(session: Session, now: datetime, *which: sa.ColumnElement[bool]) -> None:
    unread = sa.update(Notice).where(*which, Notice.read_at.is_(None))
    session.execute(unread.values(read_at=now), execution_options={"synchronize_session": False})
