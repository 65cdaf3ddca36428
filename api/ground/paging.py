"""Keyset paging of lists, each page found by index: the newest first by id (UUIDv7), or by an instant and the id.

Searches of operators are pages, too: `Found` is one of them, `apply_filter` gives the conditions of a filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, Field
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.ground.schemas import Body

T = TypeVar("T")
R = TypeVar("R")
LARGEST_NUMBER = 2**63 - 1
DAY, MONTH = 24, 31 * 24  # hours; how far a list of what happened reaches back, and may
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
# Place in a list that is ordered by an instant: the instant may have changed, or be gone, when the next page is asked.
MomentCursor = Annotated[str, Field(pattern="^[0-9]{1,17}-[0-9a-f]{32}$")]


class PageQuery(Body):
    """Which page: `before` is the `next` of the page before."""

    before: UUID | None = None
    limit: int = Field(50, ge=1, le=100)


def read_page(
    session: Session, query: sa.Select[T], column: InstrumentedAttribute[Any], page: "PageQuery | NumberQuery"
) -> tuple[list[T], Any]:
    """Return the rows of a page, the newest first, and the `before` of the next one. `column` is the rows' id."""
    if page.before:
        query = query.where(column < page.before)
    ordered = query.order_by(column.desc()).limit(page.limit + 1)
    found: list[Any] = list(session.scalars(ordered).unique())  # a query may join what a row has several of
    shown, more = cut_page(found, page.limit)
    return shown, shown[-1].id if more else None


class MomentQuery(Body):
    """Which page of a list that is ordered by an instant: `before` is the `next` of the page before."""

    before: MomentCursor | None = None
    limit: int = Field(50, ge=1, le=100)


def read_moments(
    session: Session,
    query: sa.Select[T],
    moment: InstrumentedAttribute[Any],
    column: InstrumentedAttribute[UUID],
    page: MomentQuery,
) -> tuple[list[T], str | None]:
    """Return the rows of a page, the latest `moment` first, and the `before` of the next one."""
    if page.before:
        query = query.where(sa.tuple_(moment, column) < sa.tuple_(*read_cursor(page.before)))
    latest = query.order_by(moment.desc(), column.desc()).limit(page.limit + 1)
    shown, more = cut_page(session.scalars(latest).all(), page.limit)
    if not more:
        return shown, None
    return shown, write_cursor(getattr(shown[-1], moment.key), getattr(shown[-1], column.key))


def cut_page(rows: Sequence[T], limit: int) -> tuple[list[T], bool]:
    """Return the rows of a page, and whether there are more: ask for one row more than a page has."""
    return list(rows[:limit]), len(rows) > limit


def write_cursor(moment: datetime, row_id: UUID) -> str:
    """Return the place of a row in a list that is ordered by an instant and the id."""
    return f"{(moment - _EPOCH) // _MICROSECOND}-{row_id.hex}"


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Return the instant and the id of a MomentCursor."""
    microseconds, _, row_id = cursor.partition("-")
    return _EPOCH + int(microseconds) * _MICROSECOND, UUID(row_id)


class NumberQuery(Body):
    """Which page of a list whose rows are numbered: `before` is the `next` of the page before."""

    before: Annotated[int, Field(ge=1, le=LARGEST_NUMBER)] | None = None
    limit: int = Field(50, ge=1, le=100)


@dataclass(frozen=True, slots=True)
class Found(Generic[R]):
    """Rows, and where the following page begins; None at the end."""

    items: Sequence[R]
    next: object = None


def apply_filter(query: sa.Select[R], wanted: BaseModel, **columns: Any) -> sa.Select[R]:
    """Return a query for rows whose columns have the values that are given: `status=Payment.status`.

    A condition is a column, too: `open=Incident.ends_at.is_(None)`.
    """
    for name, column in columns.items():
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(column == value)
    return query


def read_numbers(
    session: Session, query: sa.Select[R], column: InstrumentedAttribute[int], page: NumberQuery
) -> Found[R]:
    """Return the rows of a page, the highest number first. `column` is the rows' id."""
    return Found(*read_page(session, query, column, page))
