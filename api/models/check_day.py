"""Checks, alerts and answers of a desk in one day, summed up: figures that pages show. No row is about a person."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base


class CheckDay(Base):
    """One desk and one UTC day. Days of desks that were scheduled have a row, checked or not. Intervals in seconds."""

    __tablename__ = "check_days"

    desk_id: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    checks: Mapped[int]
    proven: Mapped[int]  # checks that proved slots or their absence
    outcomes: Mapped[dict[str, Any]]  # outcome → number of checks
    achieved_seconds: Mapped[float | None]  # median between two proven answers; null with fewer than two
    promised_seconds: Mapped[float | None]  # what plan and host allowed when the day was last summed up
    openings: Mapped[int]  # detections
    alerts: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # of a person for a detection, accepted that day
    # Answers given that day, by value; they outlive the accounts
    found: Mapped[int] = mapped_column(default=0, server_default="0")
    too_late: Mapped[int] = mapped_column(default=0, server_default="0")
    nothing_there: Mapped[int] = mapped_column(default=0, server_default="0")
    stopped: Mapped[int] = mapped_column(default=0, server_default="0")
    updated_at: Mapped[datetime]

    __table_args__ = (
        sa.CheckConstraint("checks >= proven AND proven >= 0 AND openings >= 0", name="counts"),
        sa.Index("ix_check_days_day", "day"),
    )
