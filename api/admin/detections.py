"""Detections as operators see them: slots, matches, messages and proofs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.desks import DeskId, PrefectureId
from api.ground.errors import ensure_found
from api.ground.paging import Found, PageQuery, apply_filter, read_page
from api.models.notification import Match, Notification, State
from api.models.slot import Detection, DetectionSlot, SlotRow, is_from_check
from api.prefectures.detections import make_proof_link

MOST_SLOTS = 200


class DetectionQuery(PageQuery):
    """Detections of a prefecture or a desk."""

    prefecture_id: PrefectureId | None = None
    desk_id: DeskId | None = None


@dataclass(frozen=True, slots=True)
class CountedDetection:
    """A detection with the number of its slots and matches.

    `row.matched_at` is set once its alerts were matched, or, of a crowd, divided into parts.
    """

    row: Detection
    slots: int
    matches: int

    @property
    def has_proof(self) -> bool:
        """Whether its page and picture are kept."""
        return make_proof_link(self.row) is not None


def list_detections(session: Session, wanted: DetectionQuery) -> Found[CountedDetection]:
    """Return a page of detections, the newest first."""
    columns = {"prefecture_id": Detection.prefecture_id, "desk_id": Detection.desk_id}
    query = apply_filter(sa.select(Detection).where(is_from_check(Detection)), wanted, **columns)
    found, following = read_page(session, query, Detection.id, wanted)
    return Found(_count(session, found), following)


def read_detection(session: Session, detection_id: UUID) -> CountedDetection:
    """Return one detection.

    Raises:
        ApiError: 404.
    """
    return _count(session, [_get_detection(session, detection_id)])[0]


def list_slots(session: Session, detection_id: UUID) -> Sequence[SlotRow]:
    """Return the first MOST_SLOTS slots of a detection."""
    seen = (
        sa.select(SlotRow)
        .join(DetectionSlot, DetectionSlot.slot_id == SlotRow.id)
        .where(DetectionSlot.detection_id == detection_id)
        .order_by(SlotRow.moment, SlotRow.id)
        .limit(MOST_SLOTS)
    )
    return session.scalars(seen).all()


def count_messages(session: Session, detection_id: UUID) -> dict[State, int]:
    """Return how many messages about a detection are in each state."""
    about = sa.select(Match.announcement_id).where(Match.detection_id == detection_id)
    states = sa.select(Notification.state, sa.func.count()).where(Notification.announcement_id.in_(about))
    return dict(session.execute(states.group_by(Notification.state)).all())


def read_proof_link(session: Session, detection_id: UUID) -> str:
    """Return a new link to the proof of a detection.

    Raises:
        ApiError: 404, there is no such detection, or it has no proof, or none any more.
    """
    return ensure_found(make_proof_link(_get_detection(session, detection_id)), "proof")


def _get_detection(session: Session, detection_id: UUID) -> Detection:
    return ensure_found(session.get(Detection, detection_id), "detection")


def _count(session: Session, found: Collection[Detection]) -> list[CountedDetection]:
    """Return detections with their counts, in two statements whatever their number."""
    ids = [each.id for each in found]
    slots = sa.select(DetectionSlot.detection_id, sa.func.count()).group_by(DetectionSlot.detection_id)
    matches = sa.select(Match.detection_id, sa.func.count()).group_by(Match.detection_id)
    seen = _count_by_id(session, slots.where(DetectionSlot.detection_id.in_(ids)))
    matched = _count_by_id(session, matches.where(Match.detection_id.in_(ids)))
    return [CountedDetection(each, seen.get(each.id, 0), matched.get(each.id, 0)) for each in found]


def _count_by_id(session: Session, query: sa.Select[UUID, int]) -> dict[UUID, int]:
    return dict(session.execute(query).all())
