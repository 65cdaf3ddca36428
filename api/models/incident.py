"""Incidents: a host or a desk in trouble, from its beginning to its end."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.discovery import DriftReason


class IncidentReason(StrEnum):
    """Reasons of incidents: outcomes, then the reasons of a drift (api/models/discovery.py)."""

    CAPTCHA = "captcha"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    UNLINKED = "unlinked"
    GONE = "gone"
    HOME = "home"
    RETITLED = "retitled"
    SILENT = "silent"

    @property
    def of_desk(self) -> bool:
        """Whether it concerns one page and not its host: that page no longer takes bookings."""
        return self is IncidentReason.CLOSED or self.value in set(DriftReason)


class Incident(Base):
    """One trouble of one subject: a host (`name:port`), whose desks share it, or a desk.

    `seen_at`: when it was last true. It ends there after it has not returned for a while, so that flapping is one
    incident. `told_at`: operators were notified. `over_at`: subscribers who knew of an unwatched desk were notified
    that it is watched again.
    """

    __tablename__ = "incidents"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    subject: Mapped[str]
    reason: Mapped[IncidentReason] = mapped_column(enum_column(IncidentReason, "reason"))
    starts_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    over_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
        sa.Index(
            "uq_incidents_open", "subject", "reason", unique=True, postgresql_where=sa.text("ends_at IS NULL")
        ),
        sa.Index("ix_incidents_ends_at", "ends_at", postgresql_where=sa.text("over_at IS NULL")),
    )
