"""Appointments that users found, told by themselves; rows go 90 days after the appointment's date."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.alert import Alert
from api.models.base import Base, enum_column, new_id
from api.models.user import Channel


class Step(StrEnum):
    """Which reminder of an appointment."""

    FIRST = "first"
    LAST = "last"


class Appointment(Base):
    """The appointment that ended an alert: when and where, as far as its user said. `dropped_at`: the row's end.

    Each reminder is null where it is switched off. `may_ask`: its user agreed to be asked how it went.
    """

    __tablename__ = "appointments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Alert.id, ondelete="CASCADE"), unique=True)
    at: Mapped[datetime | None]
    place: Mapped[str | None]
    first_reminder_at: Mapped[datetime | None]
    last_reminder_at: Mapped[datetime | None]
    # By which channel each comes; null: as USUAL_CHANNELS of api/alerts/appointments.py says.
    first_channel: Mapped[Channel | None] = mapped_column(enum_column(Channel, "first_channel"))
    last_channel: Mapped[Channel | None] = mapped_column(enum_column(Channel, "last_channel"))
    may_ask: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    asked_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    went_well: Mapped[bool | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    dropped_at: Mapped[datetime]

    def get_reminder(self, step: Step) -> datetime | None:
        """Return when a reminder comes; None where it is switched off."""
        return self.first_reminder_at if step is Step.FIRST else self.last_reminder_at

    def get_channel(self, step: Step) -> Channel | None:
        """Return the channel that was chosen for a reminder."""
        return self.first_channel if step is Step.FIRST else self.last_channel

    __table_args__ = (
        sa.CheckConstraint("at IS NOT NULL OR place IS NOT NULL OR may_ask", name="something"),
        sa.CheckConstraint("(answered_at IS NULL) = (went_well IS NULL)", name="answer"),
        sa.CheckConstraint("length(place) BETWEEN 1 AND 200", name="place_length"),
        sa.Index("ix_appointments_dropped_at", "dropped_at"),
        sa.Index(
            "ix_appointments_first_reminder_at",
            "first_reminder_at",
            postgresql_where=sa.text("first_reminder_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_appointments_last_reminder_at",
            "last_reminder_at",
            postgresql_where=sa.text("last_reminder_at IS NOT NULL"),
        ),
    )
