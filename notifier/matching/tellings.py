"""Tellings of one opening that people saw: who was told of it, who looked, and new days in what they were told."""

import json
from collections.abc import Collection, Iterable
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from api.models.alert import Alert
from api.models.base import is_any_of
from api.models.notification import Match, Notification, State, write_ranges
from api.models.report import PageOpening, Report, ReportKind
from api.models.slot import Detection
from notifier.matching.queries import WantedSlots

# The newest match of each alert with the opening names its new days, too: what its message says then, and is told.
_ADD_DAYS = sa.text("""
UPDATE matches m SET slots = m.slots + g.slots
FROM json_to_recordset(CAST(:given AS json)) AS g(alert_id uuid, slots int8multirange)
WHERE m.id = (SELECT x.id FROM matches x JOIN detections d ON d.id = x.detection_id
  WHERE x.alert_id = g.alert_id AND d.opening_id = :opening ORDER BY x.decided_at DESC, x.id DESC LIMIT 1)
""")


def opening_of(detection: Detection) -> UUID:
    """Return what the detections of one opening have in common; one from before they had it stands alone."""
    return detection.opening_id or detection.id


def read_told(session: Session, detection: Detection, user_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these users another detection of the same opening was told, or is being told."""
    sent, others = Notification, (Detection.opening_id == opening_of(detection), Detection.id != detection.id)
    mine = sent.announcement_id == Match.announcement_id
    is_lost = sa.and_(
        sa.exists().where(mine), ~sa.exists().where(mine, sent.state.not_in((State.FAILED, State.BOUNCED)))
    )
    told = (
        sa.select(Alert.user_id)
        .join(Match, Match.alert_id == Alert.id)
        .join(Detection, Detection.id == Match.detection_id)
        .where(*others, is_any_of(Alert.user_id, user_ids), ~is_lost)
    )
    return set(session.scalars(told))


def read_lookers(session: Session, detection: Detection, user_ids: Collection[UUID]) -> set[UUID]:
    """Return which of these users pressed slots since the opening began, or looked since the two saw whom it tells.

    Who looked before those two and saw none knows nothing of it: what led there may have been a lie.
    """
    its = sa.select(sa.func.min(Detection.seen_at)).where(Detection.opening_id == opening_of(detection))
    began_at = session.scalar(its) or detection.seen_at
    partner = aliased(Report)
    first = sa.select(sa.func.least(Report.seen_at, partner.seen_at)).where(
        Report.detection_id == detection.id
    )
    seen_at = (
        session.scalar(first.outerjoin(partner, partner.id == Report.corroborates_id)) or detection.seen_at
    )
    pressed = sa.and_(Report.kind == ReportKind.SLOTS, Report.seen_at >= began_at)
    found = set[UUID]()
    for row, knows in (
        (PageOpening, PageOpening.opened_at >= seen_at),
        (Report, sa.or_(Report.seen_at >= seen_at, pressed)),
    ):
        mine = row.desk_id == detection.desk_id, knows, is_any_of(row.user_id, user_ids)
        found |= {each for each in session.scalars(sa.select(row.user_id).where(*mine)) if each}
    return found


def add_days(session: Session, detection: Detection, wishes: Iterable[WantedSlots]) -> None:
    """Write new days of an opening into the matches of alerts whose people were told of it."""
    given = [{"alert_id": str(each.alert.alert_id), "slots": write_ranges(each.slots)} for each in wishes]
    if given:
        session.execute(_ADD_DAYS, {"given": json.dumps(given), "opening": opening_of(detection)})
