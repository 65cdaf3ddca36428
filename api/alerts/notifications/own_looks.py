"""A person's looks; and what others saw at the desks where they wait, with why they were told of it or not."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.accounts.queries import find_entitlement
from api.alerts.targets import find_desks, select_open
from api.models.alert import Alert
from api.models.desk import Source
from api.models.notification import Match, Notification
from api.models.report import LOOK_REQUESTED, Report, ReportKind
from api.models.slot import Detection
from api.models.user import User
from api.models.watchability import read_standings
from configs.ground.clock import clock
from configs.world.desk import Desk
from configs.world.plan import PlanName
from configs.world.prefecture import desks

_SHOWN_FOR = timedelta(days=7)  # afterwards person and report part
_MOST = 100
_OWN_LOOK, _SAME = (
    timedelta(minutes=10),
    timedelta(hours=2),
)  # who is told nothing (notifier/matching/queries.py)


@dataclass(frozen=True, slots=True)
class SeenOpening:
    """Slots that others saw at a desk where the person waits."""

    name: str
    seen_at: datetime
    in_doubt: bool  # one untrusted person saw them
    # `own` (the person saw it, too), `confirmed` (told in doubt before), `told`, `quiet` (held for quiet hours or a
    # digest), `held` (a message was made, and not sent), `asked` to look,
    # `unasked`, `doubt`, `paused`, `plan` or `limits`
    why: str


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
    about = {
        desk.id: desk for alert in session.scalars(select_open(user_id)) for desk in find_desks(alert.targets)
    }
    return [each.desk for each in read_standings(session, about.values()).values() if each.is_reported]


def list_seen_openings(session: Session, user_id: UUID) -> list[SeenOpening]:
    """Return what people saw lately where a person waits, the newest first; not what that person alone saw."""
    user, waits = session.get_one(User, user_id), defaultdict[str, list[Alert]](list)
    for alert in session.scalars(select_open(user_id)):
        for desk in find_desks(alert.targets):
            waits[desk.id].append(alert)
    messages = (
        sa.select(sa.func.max(Notification.accepted_at), sa.func.max(sa.cast(Notification.held_for, sa.Text)))
        .join(Match, Match.announcement_id == Notification.announcement_id)
        .where(Match.detection_id == Detection.id, Notification.user_id == user_id)
        .lateral("messages")
    )
    accepted, held_for = messages.c
    requests = sa.select(Notification.params["desk_id"].astext, Notification.params["seen"].astext).where(
        Notification.user_id == user_id, Notification.kind == LOOK_REQUESTED
    )
    asked = {tuple(row) for row in session.execute(requests)}
    has_plan = find_entitlement(session, user_id, clock()).plan.name is not PlanName.NONE
    is_mine = sa.and_(Alert.id == Match.alert_id, Alert.user_id == user_id)
    is_matched = sa.exists().where(Match.detection_id == Detection.id, is_mine)
    own = sa.exists().where(Report.user_id == user_id, Report.desk_id == Detection.desk_id)
    is_alone = sa.and_(Detection.in_doubt, own.where(Report.seen_at == Detection.seen_at))
    just_before = Report.seen_at.between(Detection.seen_at - _OWN_LOOK, Detection.seen_at)
    is_own = own.where(Report.kind == ReportKind.SLOTS, just_before)
    doubt = aliased(Detection)
    lately = doubt.seen_at.between(Detection.seen_at - _SAME, Detection.seen_at)
    in_doubt = sa.exists().where(Match.detection_id == doubt.id, is_mine, doubt.in_doubt, lately)
    was_told = sa.and_(~Detection.in_doubt, in_doubt.where(doubt.desk_id == Detection.desk_id))
    before = sa.case((is_own, "own"), (was_told, "confirmed"), else_="")
    query = (
        sa.select(Detection, is_matched, accepted, held_for, before)
        .join(messages, sa.true())
        .where(Detection.source == Source.REPORT, Detection.desk_id.in_(waits), ~is_alone)
        .where(Detection.seen_at > clock() - _SHOWN_FOR)
        .order_by(Detection.seen_at.desc())
    )
    return [
        SeenOpening(
            each.label, each.seen_at, each.in_doubt,
            "told" if at else "quiet" if held else "held" if matched
            else known or _explain_doubt(user, (each.desk_id, each.seen_at.isoformat()) in asked)
            if known or (each.in_doubt and not user.told_in_doubt)
            else _explain_silence(waits[each.desk_id], has_plan=has_plan),
        )
        for each, matched, at, held, known in session.execute(query.limit(_MOST))
    ]  # fmt: skip


def _explain_doubt(user: User, is_asked: bool) -> str:
    return "asked" if is_asked else "unasked" if user.may_be_asked else "doubt"


def _explain_silence(alerts: Sequence[Alert], *, has_plan: bool) -> str:
    running = [each for each in alerts if each.enabled]
    is_served = has_plan or any(each.is_free for each in running)
    return "paused" if not running else "limits" if is_served else "plan"
