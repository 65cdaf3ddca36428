"""Appointments that ended an alert: told by the user, kept until 90 days after their date."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, get_open, lock_user
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment
from configs.clock import clock

_KEPT = timedelta(days=90)


def close_as_found(session: Session, user_id: UUID, alert_id: UUID, found: FoundAppointment) -> Alert:
    """Close an alert whose user has an appointment, and store the appointment where it is described.

    Raises:
        api.errors.ApiError: 404; 409 where it is closed already.
    """
    lock_user(session, user_id)
    alert = get_open(session, user_id, alert_id)
    close_alert(session, alert, ClosedBecause.FOUND)
    if found.at or found.place:
        dropped_at = (found.at or clock()) + _KEPT
        session.add(
            Appointment(
                alert_id=alert.id, at=found.at, place=found.place, created_at=clock(), dropped_at=dropped_at
            )
        )
    return alert
