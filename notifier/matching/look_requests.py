"""Requests to look: a few people who agreed are asked to open a desk's page where one untrusted person saw slots."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.notification import Notification
from api.models.report import LOOK_REQUESTED, Report
from api.models.slot import Detection
from api.models.user import User
from notifier.delivery.message_writer import create_notifications
from notifier.delivery.reader_wishes import TIMES, read_times
from notifier.matching.queries import of_waiting, select_waiting

_PEOPLE = 5  # asked about one opening
_A_DAY = 3  # requests to one person
_DAY, _LATELY = timedelta(days=1), timedelta(minutes=30)
_READ = 100  # people, of whom some are in their quiet hours


def ask_to_look(session: Session, detection: Detection, now: datetime) -> list[UUID]:
    """Write requests to people who wait for a desk, not to those who were told or looked; return what to deliver."""
    asked = 0
    written: list[UUID] = []
    for row in session.execute(_select_willing(detection, now), of_waiting(detection, now)).all():
        times = read_times(row)
        if asked == _PEOPLE or (times and times.is_quiet(now)):
            continue
        params = {"desk_id": detection.desk_id, "seen": detection.seen_at.isoformat()}
        key = f"look:{detection.id}:{row.id}"
        written += create_notifications(session, row.id, LOOK_REQUESTED, params, key)
        asked += 1
    return written


def _select_willing(detection: Detection, now: datetime) -> sa.Select[*tuple[object, ...]]:
    """Return the query of the people to ask, the one whose last request is oldest first."""
    row = Notification
    mine = row.user_id == User.id, row.kind == LOOK_REQUESTED
    recent = sa.select(sa.func.count(row.params["seen"].astext.distinct())).where(
        *mine, row.created_at > now - _DAY
    )
    same = sa.exists().where(
        *mine, row.created_at > now - _LATELY, row.params["desk_id"].astext == detection.desk_id
    )
    last = sa.select(sa.func.max(row.created_at)).where(*mine)
    here = Report.desk_id == detection.desk_id, Report.seen_at > now - _LATELY
    has_looked = sa.select(Report.user_id).where(Report.user_id == User.id, *here).exists()
    waits = User.id.in_(select_waiting((Alert.user_id,), is_report=True))
    query = sa.select(User.id, *TIMES).where(User.may_be_asked, ~User.told_in_doubt, waits)
    free = query.where(recent.scalar_subquery() < _A_DAY, ~same, ~has_looked)
    return free.order_by(last.scalar_subquery().asc().nulls_first(), sa.func.random()).limit(_READ)
