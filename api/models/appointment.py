"""Appointments that users found, told by themselves; rows go 90 days after the appointment's date."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.alert import Alert
from api.models.base import Base, new_id


class Appointment(Base):
    """The appointment that ended an alert: when and where, as far as its user said. `dropped_at`: the row's end."""

    __tablename__ = "appointments"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[UUID] = mapped_column(sa.ForeignKey(Alert.id, ondelete="CASCADE"), unique=True)
    at: Mapped[datetime | None]
    place: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    dropped_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("at IS NOT NULL OR place IS NOT NULL", name="something"),
        sa.CheckConstraint("length(place) BETWEEN 1 AND 200", name="place_length"),
        sa.Index("ix_appointments_dropped_at", "dropped_at"),
    )
