"""People who report, as judgement knows them: when they registered, whether they are trusted, who met whom."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from api.models.base import is_any_of
from api.models.report import Report, ReportState
from api.models.report_trust import read_trust
from api.models.user import User
from crawler.reports.judgement import Pair, Person

PAIRED_FOR = timedelta(days=7)  # in which the same two people corroborate each other once


def read_people(session: Session, ids: Collection[UUID]) -> dict[UUID, Person]:
    """Return by id who may report; those whose reports an operator ended are left out."""
    trust = read_trust(session, ids)
    users = sa.select(User.id, User.created_at, User.registered_from).where(is_any_of(User.id, ids))
    return {
        key: Person(key, created_at, frozenset(networks), trust[key].is_trusted)
        for key, created_at, networks in session.execute(users)
        if trust[key].ended_because is None
    }


def read_pairs(session: Session, ids: Collection[UUID], now: datetime) -> set[Pair]:
    """Return who of these people corroborated each other lately."""
    one, other = Report, aliased(Report)
    met = (
        sa.select(one.user_id, other.user_id)
        .join(other, other.id == one.corroborates_id)
        .where(is_any_of(one.user_id, ids), is_any_of(other.user_id, ids), one.seen_at > now - PAIRED_FOR)
    )
    return {Pair(filter(None, row)) for row in session.execute(met)}


def list_counted(session: Session, desk_id: str, since: datetime) -> Sequence[Report]:
    """Return each person's last report of each kind that counted at a desk since then: earlier ones say no more."""
    counted = Report.desk_id == desk_id, Report.state == ReportState.COUNTED, Report.seen_at >= since
    last = sa.select(Report).ext(distinct_on(Report.user_id, Report.kind)).where(*counted)
    return session.scalars(last.order_by(Report.user_id, Report.kind, Report.seen_at.desc())).all()
