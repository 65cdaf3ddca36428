"""Checks: a row each, in daily partitions (check_partitions.py), and their sums of a day."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from configs.world.desk import Outcome


class Check(Base):
    """One visit to one desk. No foreign key points here, so that whole days can be dropped."""

    __tablename__ = "checks"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(primary_key=True)
    desk_id: Mapped[str]
    token: Mapped[int | None] = mapped_column(sa.BigInteger)
    outcome: Mapped[Outcome] = mapped_column(enum_column(Outcome, "outcome"))
    evidence: Mapped[str]
    milliseconds: Mapped[int]
    requests: Mapped[int] = mapped_column(sa.SmallInteger)
    slots_seen: Mapped[int]
    covered: Mapped[list[Any]]
    process: Mapped[str]
    error: Mapped[str | None]
    proof_key: Mapped[str | None]
    # asked whether a stale address lives: it counts in nothing but that (crawler/recording/probe_results.py)
    probe: Mapped[bool] = mapped_column(default=False, server_default=sa.false())

    __table_args__ = (
        sa.CheckConstraint("milliseconds >= 0 AND requests >= 0 AND slots_seen >= 0", name="counts"),
        sa.Index("ix_checks_desk_id_started_at", "desk_id", sa.text("started_at DESC")),
        sa.Index("ix_checks_started_at", "started_at"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )


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
    # Of a person for a detection, accepted that day
    alerts: Mapped[int] = mapped_column(default=0, server_default="0")
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
