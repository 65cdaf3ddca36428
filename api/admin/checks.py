"""Checks as operators see them, and how long a list of what happened may reach back."""

from datetime import timedelta

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.orm import Session

from api.admin.desks import DeskId
from api.ground.paging import Found, apply_filter, cut_page
from api.ground.schemas import Body
from api.models.check import Check
from configs.ground.clock import clock
from configs.world.desk import Outcome

DAY, MONTH = 24, 31 * 24  # hours
_LARGEST_CHECK = 2**63 - 1


class CheckQuery(Body):
    """Checks of a desk, or of all desks in the last `hours`; `before` is the `next` of the page before."""

    desk_id: DeskId | None = None
    outcome: Outcome | None = None
    hours: int = Field(DAY, ge=1, le=MONTH)
    before: int | None = Field(None, ge=1, le=_LARGEST_CHECK)
    limit: int = Field(50, ge=1, le=100)


def list_checks(session: Session, wanted: CheckQuery) -> Found[Check]:
    """Return a page of checks, the newest first."""
    query = sa.select(Check)
    if wanted.desk_id:
        query = query.where(Check.desk_id == wanted.desk_id)
    else:
        query = query.where(Check.started_at >= clock() - timedelta(hours=wanted.hours))
    query = apply_filter(query, wanted, outcome=Check.outcome)
    if wanted.before:
        last = sa.select(Check.started_at).where(Check.id == wanted.before).scalar_subquery()
        query = query.where(sa.tuple_(Check.started_at, Check.id) < sa.tuple_(last, wanted.before))
    latest = query.order_by(Check.started_at.desc(), Check.id.desc()).limit(wanted.limit + 1)
    checks, more = cut_page(session.scalars(latest).all(), wanted.limit)
    return Found(checks, checks[-1].id if more else None)
