"""Messages as operators see them, without address and text."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.admin.checks import DAY, MONTH
from api.ground.paging import Found, PageQuery, apply_filter, read_page
from api.models.base import first_id_at
from api.models.notification import Notification, State
from api.models.user import Channel
from configs.ground.clock import clock

Kind = Annotated[str, Field(max_length=60)]
Part = Annotated[str, Field(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$", min_length=1, max_length=200)]


class MessageQuery(PageQuery):
    """Messages of a user, or of all users in the last `hours`."""

    user_id: UUID | None = None
    channel: Channel | None = None
    kind: Kind | None = None
    state: State | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)


def list_messages(session: Session, wanted: MessageQuery) -> Found[Notification]:
    """Return a page of messages, the newest first."""
    query = sa.select(Notification)
    if wanted.user_id:
        query = query.where(Notification.user_id == wanted.user_id)
    else:
        query = query.where(Notification.id >= first_id_at(clock() - timedelta(hours=wanted.hours)))
    columns = {name: getattr(Notification, name) for name in ("channel", "kind", "state")}
    query = apply_filter(query, wanted, **columns)
    return Found(*read_page(session, query, Notification.id, wanted))
