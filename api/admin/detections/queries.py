"""Reads of one detection for operators."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.admin.detections.schemas import DetectionDetails, SlotEntry
from api.admin.watch.queries import build_detections
from api.errors import not_found
from api.models.notification import Match, Notification
from api.models.slot import Detection, DetectionSlot, SlotRow
from api.proofs.queries import make_proof_link

MOST_SLOTS = 200


def read_detection(session: Session, detection_id: UUID) -> DetectionDetails:
    """Return one detection.

    Raises:
        api.errors.ApiError: 404.
    """
    detection = _get_detection(session, detection_id)
    (entry,) = build_detections(session, [detection])
    seen = (
        sa.select(SlotRow)
        .join(DetectionSlot, DetectionSlot.slot_id == SlotRow.id)
        .where(DetectionSlot.detection_id == detection_id)
        .order_by(SlotRow.moment, SlotRow.id)
        .limit(MOST_SLOTS)
    )
    about = sa.select(Match.announcement_id).where(Match.detection_id == detection_id)
    states = sa.select(Notification.state, sa.func.count()).where(Notification.announcement_id.in_(about))
    return DetectionDetails(
        entry=entry,
        slots=[SlotEntry.model_validate(each) for each in session.scalars(seen)],
        messages={state: number for state, number in session.execute(states.group_by(Notification.state))},  # noqa: C416 -- rows are no tuples to mypy
    )


def read_proof_link(session: Session, detection_id: UUID) -> str:
    """Return a new link to the proof of a detection.

    Raises:
        api.errors.ApiError: 404, there is no such detection, or it has no proof, or none any more.
    """
    link = make_proof_link(_get_detection(session, detection_id))
    if link is None:
        raise not_found("proof")
    return link


def _get_detection(session: Session, detection_id: UUID) -> Detection:
    detection = session.get(Detection, detection_id)
    if detection is None:
        raise not_found("detection")
    return detection
