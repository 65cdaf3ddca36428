"""What the watching says now: the state of desks and hosts. What a desk *is* stays in its YAML file."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from configs.outcome import Outcome


class DeskStatus(StrEnum):
    """What a subscriber may expect of a desk, best first."""

    ACTIVE = "ACTIVE"
    CAPTCHA = "CAPTCHA"
    PAUSED = "PAUSED"
    ERROR = "ERROR"


class DeskState(Base):
    """One row per desk that was ever scheduled or checked. Intervals are in seconds.

    `last_proven_at`: its last conclusive check. `whole_at`: the instant since which all its places were covered once
    at least (crawler/recording/coverage_tracking.py);
    `coverage` is what that takes to know, null where one check covers all.
    `refused_at`: when its page alone was last refused, by a plain 403. `visit_requests`: what a visit lately took,
    `open_requests`: what those took that saw slots. `share_seconds`: how often its share of the host's budget lets it
    be asked at what visits lately took, by which it is scheduled; `feasible_seconds`: the same while every desk of the
    host shows slots, which takes more requests: what can be promised.
    `releases_at`: when its page says that more slots will be put on line. `due_queue`: the queue it waits in, its
    booking system's by HTTP or by browser; null where it is not scheduled.
    """

    __tablename__ = "desks"

    id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[DeskStatus] = mapped_column(
        enum_column(DeskStatus, "status"), default=DeskStatus.PAUSED, server_default="PAUSED"
    )
    status_reason: Mapped[str] = mapped_column(default="not checked yet", server_default="not checked yet")
    last_token: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    last_check_at: Mapped[datetime | None]
    last_outcome: Mapped[Outcome | None] = mapped_column(enum_column(Outcome, "last_outcome"))
    last_proven_at: Mapped[datetime | None]
    last_slot_at: Mapped[datetime | None]
    inconclusive: Mapped[int] = mapped_column(default=0, server_default="0")
    wished_seconds: Mapped[float | None]
    feasible_seconds: Mapped[float | None]
    share_seconds: Mapped[float | None]
    achieved_seconds: Mapped[float | None]
    check_requested_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    whole_at: Mapped[datetime | None]
    coverage: Mapped[dict[str, Any] | None]
    visit_requests: Mapped[float | None]
    open_requests: Mapped[float | None]
    releases_at: Mapped[datetime | None]
    due_queue: Mapped[str | None]

    __table_args__ = (
        sa.CheckConstraint("inconclusive >= 0", name="inconclusive"),
        sa.Index(
            "ix_desks_check_requested_at",
            "check_requested_at",
            postgresql_where=sa.text("check_requested_at IS NOT NULL"),
        ),
    )


class HostState(Base):
    """The memory of a host's blocks: an emptied Redis must forget none. A host is a name and a port.

    `rests_in_a_row` counts rests until they are forgotten, `budget_share` is what is left of its budget, `calm_since`
    the first conclusive answer after its last rest (null: none yet). `stopped_at`: the operator's kill switch.
    """

    __tablename__ = "hosts"

    host: Mapped[str] = mapped_column(primary_key=True)
    rests_until: Mapped[datetime | None]
    rest_reason: Mapped[str | None]
    rests_in_a_row: Mapped[int] = mapped_column(default=0, server_default="0")
    budget_share: Mapped[float] = mapped_column(default=1.0, server_default="1")
    calm_since: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    __table_args__ = (
        sa.CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name="stop"),
        sa.CheckConstraint("budget_share > 0 AND budget_share <= 1", name="budget_share"),
        sa.CheckConstraint("rests_in_a_row >= 0", name="rests_in_a_row"),
    )


class OutageReason(StrEnum):
    """Why a desk was not watched; `unreachable` and `unreadable` from the pause on, `stopped` by the kill switch."""

    CAPTCHA = "captcha"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate_limited"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    STOPPED = "stopped"


class Outage(Base):
    """A time that was paid for and not watched: it ends with the first conclusive check, or as the switch goes on.

    A desk has one open outage at most; one whose reason changes ends, and the next begins at the same instant.
    `host` is who is at fault where that is not the desk's own: the one that its page embeds.
    """

    __tablename__ = "outages"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str] = mapped_column(sa.ForeignKey("desks.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    reason: Mapped[OutageReason] = mapped_column(enum_column(OutageReason, "reason"))
    host: Mapped[str | None]

    __table_args__ = (
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
        sa.Index("uq_outages_open", "desk_id", unique=True, postgresql_where=sa.text("ends_at IS NULL")),
        sa.Index("ix_outages_desk_id_starts_at", "desk_id", "starts_at"),
    )


class DeskChange(Base):
    """A line for the planner: this desk's schedule must be thought over. Written with what changed it."""

    __tablename__ = "desk_changes"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
