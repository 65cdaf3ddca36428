"""Matches that can be answered: those that a message announced, and those of an alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.alert import Alert
from api.models.base import is_any_of
from api.models.notification import Match, Notification


@dataclass(frozen=True, slots=True)
class AnnouncedMatch:
    """A match that a message announced."""

    match_id: UUID
    alert_id: UUID
    user_id: UUID  # the alert's owner
    announced_at: datetime


def list_announced(session: Session, notification_id: UUID) -> list[AnnouncedMatch]:
    """Return the matches that a message announced, in the order of their alerts; none where these were deleted.

    Several notifications may have left as one message, which carries the id of one of them: the matches of all are
    returned.
    """
    announced = (
        sa.select(Match.id, Alert.id, Alert.user_id, Match.decided_at)
        .join(Notification, Notification.announcement_id == Match.announcement_id)
        .join(Alert, Alert.id == Match.alert_id)
        .where(is_any_of(Notification.id, list_together(session, notification_id)))
        .order_by(Alert.id, Match.id)
        .distinct()
    )
    return [AnnouncedMatch(*row) for row in session.execute(announced)]


def find_matches_of_alert(session: Session, alert_id: UUID, detection_id: UUID | None) -> list[UUID]:
    """Return the matches of an alert with a detection, without one the newest that a message announced.

    Where no message left, that is the newest match: the account shows it.
    """
    mine = sa.select(Match.id).where(Match.alert_id == alert_id)
    if detection_id:
        return list(session.scalars(mine.where(Match.detection_id == detection_id)))
    was_sent = sa.exists().where(
        Notification.announcement_id == Match.announcement_id,
        Notification.accepted_at.is_not(None),
    )
    newest = mine.order_by(was_sent.desc(), Match.decided_at.desc(), Match.id.desc())
    return list(session.scalars(newest.limit(1)))


def list_together(session: Session, notification_id: UUID) -> Sequence[UUID]:
    """Return the notifications that left as one message: to one contact, accepted together, under one id."""
    message = sa.select(Notification.contact_id, Notification.accepted_at, Notification.provider_id)
    found = session.execute(message.where(Notification.id == notification_id)).one_or_none()
    if found is None or found.contact_id is None or found.accepted_at is None:
        return [notification_id]
    together = sa.select(Notification.id).where(
        Notification.contact_id == found.contact_id,
        Notification.accepted_at == found.accepted_at,
        Notification.provider_id.is_not_distinct_from(found.provider_id),
    )
    return session.scalars(together).all()
