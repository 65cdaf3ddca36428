"""Looks of people at desks as everybody may know them: when the last one was, and how many people look."""

from collections.abc import Iterable
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.report import Report, ReportKind, ReportState
from api.prefectures.schemas import DeskLooks
from configs.ground.clock import clock
from configs.world.desk import Desk, WatchLevel

_WEEK, _DAY = timedelta(days=7), timedelta(days=1)
_FEWEST = 5  # people: below, a number would say who looks


def read_desk_looks(session: Session, about: Iterable[Desk]) -> dict[str, DeskLooks]:
    """Return by id the looks of the last week at those of these desks that people watch."""
    ids = [desk.id for desk in about if desk.watch is WatchLevel.PEOPLE]
    if not ids:
        return {}
    now = clock()
    people = sa.func.count(Report.user_id.distinct()).filter(Report.seen_at > now - _DAY)
    # One that counts for nothing, as a `none` without an opening, is no news of the page.
    read = Report.kind != ReportKind.UNSEEN, Report.state != ReportState.IDLE, Report.seen_at > now - _WEEK
    query = sa.select(Report.desk_id, sa.func.max(Report.seen_at), people).where(*read)
    rows = session.execute(query.where(Report.desk_id.in_(ids)).group_by(Report.desk_id)).all()
    return {key: DeskLooks(last_at=at, people=n if n >= _FEWEST else None) for key, at, n in rows}
