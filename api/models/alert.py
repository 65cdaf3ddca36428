"""Alerts of users, their targets and limits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.models.base import Base, enum_column, new_id
from api.models.user import User
from configs.ground.clock import clock
from configs.world.desk import Procedure

FREE_ALERTS = 3  # of a person that need no plan: people's reports serve them, or they wait for a watch
REOPENS = timedelta(hours=24)  # after it was stopped by a message: so long it may be opened again


class ClosedBecause(StrEnum):
    """Why an alert is closed."""

    DELETED = "deleted"
    STOPPED = "stopped"
    FOUND = "found"


@dataclass(frozen=True, slots=True)
class Moment:
    """A slot's local date and time, as far as they are known, and its site; limits are checked against it."""

    day: date | None = None
    hour: time | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of an alert. A limit rejects only a slot that is known to lie outside."""

    date_from: date | None = None
    date_to: date | None = None
    weekdays: Sequence[int] | None = None
    hour_from: time | None = None
    hour_to: time | None = None
    sites: Sequence[str] | None = None

    def matches(self, moment: Moment) -> bool:
        """Return whether the limits allow a slot at that moment."""
        return (
            self._day_passes(moment.day) and self._hour_passes(moment.hour) and self._site_passes(moment.site)
        )

    def _day_passes(self, day: date | None) -> bool:
        if day is None:
            return True
        if (self.date_from and day < self.date_from) or (self.date_to and day > self.date_to):
            return False
        return not self.weekdays or day.isoweekday() in self.weekdays

    def _hour_passes(self, hour: time | None) -> bool:
        if hour is None:
            return True
        return not ((self.hour_from and hour < self.hour_from) or (self.hour_to and hour >= self.hour_to))

    def _site_passes(self, site: str | None) -> bool:
        return not self.sites or site is None or site in self.sites


class Alert(Base):
    """One user's alert. `limits_version` grows with every change of targets or limits.

    `awaits_watch`: none of its desks can be watched. It stays paused, and no plan counts it, until one can be.
    `is_free`: no check can watch it either, but people report what they see at a desk of it; no plan counts it.
    """

    __tablename__ = "alerts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    language: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    awaits_watch: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    is_free: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # when its user was asked, once, if people's reports are wanted while it waits for a watch
    people_asked_at: Mapped[datetime | None]
    limits_version: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    # since when these targets wait without a pause: no check ran for this alert before
    watched_since: Mapped[datetime] = mapped_column(default=clock, server_default=sa.func.now())
    updated_at: Mapped[datetime] = mapped_column(default=clock, onupdate=clock, server_default=sa.func.now())
    # calls, in the user's hours of them
    voice_enabled: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # explicit consent to a message about a desk whose name reveals health (api/alerts/targets.py)
    consent: Mapped[dict[str, Any] | None]
    consented_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[ClosedBecause | None] = mapped_column(enum_column(ClosedBecause, "closed_because"))

    user: Mapped[User] = relationship()
    targets: Mapped[list["AlertTarget"]] = relationship(
        back_populates="alert", passive_deletes=True, cascade="all, delete-orphan", order_by="AlertTarget.id"
    )

    __table_args__ = (
        sa.CheckConstraint("(closed_at IS NULL) = (closed_because IS NULL)", name="closed_with_reason"),
        sa.CheckConstraint("NOT (awaits_watch AND enabled)", name="awaits_paused"),
        sa.Index(
            "ix_alerts_awaits_watch", "id", postgresql_where=sa.text("awaits_watch AND closed_at IS NULL")
        ),
        sa.Index("ix_alerts_free", "id", postgresql_where=sa.text("is_free AND closed_at IS NULL")),
        sa.Index("ix_alerts_user_id_created_at", "user_id", "created_at"),
        sa.Index("ix_alerts_open", "user_id", postgresql_where=sa.text("closed_at IS NULL AND enabled")),
        # Pages of a user's list: closed alerts, which may be many, are not in it.
        sa.Index("ix_alerts_user_id_id", "user_id", "id", postgresql_where=sa.text("closed_at IS NULL")),
        # Covering index, like the two of alert_targets: matching reads no table rows (notifier/matching/queries.py).
        sa.Index(
            "ix_alerts_waiting",
            "id",
            postgresql_include=["user_id", "limits_version", "language"],
            postgresql_where=sa.text("closed_at IS NULL AND enabled"),
        ),
    )

    @property
    def waits(self) -> bool:
        """Whether it is enabled and open."""
        return self.enabled and self.closed_at is None


class AlertTarget(Base):
    """One desk, or one procedure of one prefecture, with the alert's limits."""

    __tablename__ = "alert_targets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    alert_id: Mapped[UUID] = mapped_column(sa.ForeignKey("alerts.id", ondelete="CASCADE"))
    prefecture_id: Mapped[str | None]
    procedure: Mapped[Procedure | None] = mapped_column(enum_column(Procedure, "procedure"))
    desk_id: Mapped[str | None]
    date_from: Mapped[date | None]
    date_to: Mapped[date | None]
    weekdays: Mapped[list[int] | None] = mapped_column(ARRAY(sa.SmallInteger))
    hour_from: Mapped[time | None]
    hour_to: Mapped[time | None]
    sites: Mapped[list[str] | None]

    alert: Mapped[Alert] = relationship(back_populates="targets")

    __table_args__ = (
        sa.CheckConstraint(
            "(desk_id IS NOT NULL AND prefecture_id IS NULL AND procedure IS NULL)"
            " OR (desk_id IS NULL AND prefecture_id IS NOT NULL AND procedure IS NOT NULL)",
            name="desk_or_procedure",
        ),
        sa.CheckConstraint("date_from <= date_to", name="dates_in_order"),
        sa.CheckConstraint("hour_from < hour_to", name="hours_in_order"),
        sa.CheckConstraint(
            "weekdays <@ ARRAY[1,2,3,4,5,6,7]::smallint[] AND cardinality(weekdays) > 0", name="iso_weekdays"
        ),
        sa.Index("ix_alert_targets_alert_id", "alert_id"),
        sa.Index(
            "ix_alert_targets_prefecture_id_procedure",
            "prefecture_id",
            "procedure",
            postgresql_include=["alert_id", "id"],
            postgresql_where=sa.text("desk_id IS NULL"),
        ),
        sa.Index(
            "ix_alert_targets_desk_id",
            "desk_id",
            postgresql_include=["alert_id", "id"],
            postgresql_where=sa.text("desk_id IS NOT NULL"),
        ),
    )

    def covers_desk(self, *, desk_id: str, prefecture_id: str, procedures: Collection[str]) -> bool:
        """Return whether this target names the desk, or a procedure that the desk serves."""
        if self.desk_id is not None:
            return self.desk_id == desk_id
        return self.prefecture_id == prefecture_id and self.procedure in procedures
