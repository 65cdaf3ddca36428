"""What people are told of the watching: a site or a desk in trouble, from when it began until it was over."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.discovery import DriftReason


class IncidentReason(StrEnum):
    """What somebody is told of: outcomes, and below them the reasons of a drift (api/models/discovery.py)."""

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
        """Whether it is one page's own fate, which its host does not share: nobody can book there any more."""
        return self is IncidentReason.CLOSED or self.value in set(DriftReason)


class Incident(Base):
    """One trouble of one subject: a host (`name:port`), because its desks share its fate, or a desk.

    `seen_at`: when it was true last. It ends there once it has not come back for a while: what flaps is one incident.
    `told_at`: operators were told; `over_at`: whoever had been told that a desk is unwatched was told that it is again.
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
