"""A person's looks; and what others saw at the desks where they wait, with why they were told of it or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from api.alerts.targets import find_desks
from api.models.alert import Alert
from api.models.desk import Source
from api.models.notification import Match, Notification
from api.models.report import Report
from api.models.slot import Detection
from api.models.user import User
from api.models.watchability import read_standings
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.prefecture import desks

_SHOWN_FOR = timedelta(days=7)  # afterwards person and report part
_MOST = 100


@dataclass(frozen=True, slots=True)
class SeenOpening:
    """Slots that others saw at a desk where the person waits."""

    name: str
    seen_at: datetime
    in_doubt: bool  # one untrusted person saw them
    why: str  # `told`, `held` (a message was made, and not accepted yet or not sent), `doubt`, `paused` or `limits`


def name_reported_desk(desk_id: str) -> str:
    """Return a desk's label, also of one that has left the files."""
    desk = desks().get(desk_id)
    return desk.label if desk else desk_id


def list_own_looks(session: Session, user_id: UUID) -> Sequence[Report]:
    """Return the looks of a person that are still theirs, the newest first."""
    mine = sa.select(Report).where(Report.user_id == user_id, Report.seen_at > clock() - _SHOWN_FOR)
    return session.scalars(mine.order_by(Report.seen_at.desc()).limit(_MOST)).all()


def list_reported_desks(session: Session, user_id: UUID) -> list[Desk]:
    """Return the desks that people watch, of a person's alerts that are not over."""
    about = {desk.id: desk for alert in _list_alerts(session, user_id) for desk in find_desks(alert.targets)}
    return [each.desk for each in read_standings(session, about.values()).values() if each.is_reported]


def list_seen_openings(session: Session, user_id: UUID) -> list[SeenOpening]:
    """Return what people saw lately where a person waits, the newest first; not what that person alone saw."""
    alerts = _list_alerts(session, user_id)
    waits = {desk.id: alert.enabled for alert in alerts for desk in find_desks(alert.targets)}
    wants_doubt = session.scalars(sa.select(User.told_in_doubt).where(User.id == user_id)).one()
    accepted = (
        sa.select(sa.func.max(Notification.accepted_at))
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .where(Match.detection_id == Detection.id, Notification.user_id == user_id)
    )
    is_mine = sa.and_(Alert.id == Match.alert_id, Alert.user_id == user_id)
    is_matched = sa.exists().where(Match.detection_id == Detection.id, is_mine)
    own = sa.exists().where(Report.user_id == user_id, Report.desk_id == Detection.desk_id)
    is_own = sa.and_(Detection.in_doubt, own.where(Report.seen_at == Detection.seen_at))
    query = (
        sa.select(Detection, is_matched, accepted.scalar_subquery())
        .where(Detection.source == Source.REPORT, Detection.desk_id.in_(waits), ~is_own)
        .where(Detection.seen_at > clock() - _SHOWN_FOR)
        .order_by(Detection.seen_at.desc())
    )
    return [
        SeenOpening(
            each.label, each.seen_at, each.in_doubt,
            "told" if at else "held" if matched else "doubt" if each.in_doubt and not wants_doubt
            else "limits" if waits[each.desk_id] else "paused",
        )
        for each, matched, at in session.execute(query.limit(_MOST))
    ]  # fmt: skip


def _list_alerts(session: Session, user_id: UUID) -> Sequence[Alert]:
    mine = sa.select(Alert).where(Alert.user_id == user_id, Alert.closed_at.is_(None))
    return session.scalars(mine.options(selectinload(Alert.targets))).all()
