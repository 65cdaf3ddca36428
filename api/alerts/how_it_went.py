"""The question a day after an appointment, to users who agreed to it, and its answer."""

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

import notifier
from api.models.alert import Alert
from api.models.appointment import Appointment
from configs.ground.clock import clock

_KIND = "how_it_went"
_AFTER, _LATE = timedelta(days=1), timedelta(days=7)
_AT_ONCE = 500


def ask_how_it_went(session: Session) -> list[UUID]:
    """Write some of the questions about appointments of a day ago, each once; return the notifications to nudge.

    Where users gave no date, the day counts from their report.
    """
    now = clock()
    day = sa.func.coalesce(Appointment.at, Appointment.created_at)
    due = (
        sa.select(Appointment, Alert)
        .join(Alert, Alert.id == Appointment.alert_id)
        .where(Appointment.may_ask, Appointment.asked_at.is_(None), Appointment.answered_at.is_(None))
        .where(day <= now - _AFTER, day > now - _AFTER - _LATE)
        .order_by(Appointment.id)
        .limit(_AT_ONCE)
    )
    written = []
    for row, alert in session.execute(due).all():
        row.asked_at = now
        params = {"appointment": str(row.id)}
        written += notifier.create_notifications(
            session,
            alert.user_id,
            _KIND,
            params,
            f"{_KIND}:{row.id}",
            priority="bulk",
            language=alert.language,
        )
    return written


def store_answer(appointment: Appointment, *, went_well: bool) -> None:
    """Store how it went; a later answer takes the place of an earlier one, and no report counts it again."""
    appointment.went_well, appointment.answered_at = went_well, appointment.answered_at or clock()
