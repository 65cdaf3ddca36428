"""Appointments that ended an alert: told by the user, kept until 90 days after their date."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.alerts.reminders import USUAL, Step, move_reminders
from api.alerts.schemas import FoundAppointment
from api.alerts.service import close_alert, get_open, lock_user
from api.errors import not_found
from api.models.alert import Alert, ClosedBecause
from api.models.appointment import Appointment
from configs.ground.clock import clock

_KEPT = timedelta(days=90)


def close_as_found(session: Session, user_id: UUID, alert_id: UUID, found: FoundAppointment) -> Alert:
    """Close an alert whose user has an appointment, and store the appointment where it is described.

    Raises:
        api.errors.ApiError: 404; 409 where it is closed already.
    """
    lock_user(session, user_id)
    alert = get_open(session, user_id, alert_id)
    close_alert(session, alert, ClosedBecause.FOUND)
    store_appointment(session, alert.id, found)
    return alert


def store_appointment(session: Session, alert_id: UUID, found: FoundAppointment) -> None:
    """Store the appointment of an alert where it is described; the caller holds the lock of the alert's row.

    One that is stored already stays as it is.
    """
    if not (found.at or found.place or found.may_ask):
        return
    stored = sa.select(Appointment.id).where(Appointment.alert_id == alert_id)
    if session.scalar(stored) is None:
        session.add(_build(alert_id, found))


def delete_appointment(session: Session, alert_id: UUID) -> None:
    """Delete the appointment of an alert, whose user has none after all."""
    session.execute(sa.delete(Appointment).where(Appointment.alert_id == alert_id))


def get_appointment(session: Session, user_id: UUID, alert_id: UUID) -> Appointment:
    """Return the appointment of a user's alert that has a date, locked.

    Raises:
        api.errors.ApiError: 404.
    """
    mine = (
        sa.select(Appointment)
        .join(Alert, Alert.id == Appointment.alert_id)
        .where(Alert.user_id == user_id, Alert.id == alert_id, Appointment.at.is_not(None))
        .with_for_update(of=Appointment)
    )
    found = session.scalars(mine).one_or_none()
    if found is None:
        raise not_found("appointment")
    return found


def find_appointment_to_come(session: Session, alert_id: UUID) -> UUID | None:
    """Return the appointment of an alert, unless it is over or has no date."""
    return session.scalar(
        sa.select(Appointment.id).where(Appointment.alert_id == alert_id, Appointment.at > clock())
    )


def _build(alert_id: UUID, found: FoundAppointment) -> Appointment:
    made = Appointment(
        alert_id=alert_id,
        at=found.at,
        place=found.place,
        may_ask=found.may_ask,
        created_at=clock(),
        dropped_at=(found.at or clock()) + _KEPT,
    )
    move_reminders(made, *(round(USUAL[step].total_seconds() / 60) for step in Step))
    return made
