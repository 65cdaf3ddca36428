"""Keyset paging of lists whose ids are UUIDv7: the newest first, each page found by index."""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.schemas import Body

T = TypeVar("T")
_RANDOM_BITS = 80  # of a UUIDv7, behind its 48 bits of milliseconds


class PageQuery(Body):
    """Which page: `before` is the `next` of the page before."""

    before: UUID | None = None
    limit: int = Field(50, ge=1, le=100)


def read_page(
    session: Session, query: sa.Select[T], column: InstrumentedAttribute[UUID], page: PageQuery
) -> tuple[list[T], UUID | None]:
    """Return the rows of a page, the newest first, and the `before` of the next one. `column` is the rows' id."""
    if page.before:
        query = query.where(column < page.before)
    rows: list[Any] = list(session.scalars(query.order_by(column.desc()).limit(page.limit + 1)))
    shown = rows[: page.limit]
    return shown, shown[-1].id if len(rows) > page.limit else None


def first_id_at(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 that a row made at `moment` can have."""
    return UUID(int=int(moment.timestamp() * 1000) << _RANDOM_BITS)
