"""Memory of discovery: its walks, links to desks, and drifts."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.desk import DeskState
from configs.world.desk import Outcome


class DriftReason(StrEnum):
    """Why a desk's page seems to be no longer the place to book."""

    UNLINKED = "unlinked"  # the prefecture's own site no longer links it
    SILENT = "silent"  # no check has proven anything for DRIFT_SILENT_SECONDS


class DiscoveryRun(Base):
    """One walk of the prefectures' sites. At most one is open; it outlives its process.

    `cut`: its time ended before the walk did. `pages`: requested from the prefectures' own sites. `found`: booking
    pages that no desk file has; its report names them.
    """

    __tablename__ = "discovery_runs"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    cut: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    pages: Mapped[int] = mapped_column(default=0, server_default="0")
    found: Mapped[int] = mapped_column(default=0, server_default="0")

    __table_args__ = (
        sa.CheckConstraint("ended_at >= started_at", name="order"),
        sa.Index(
            "uq_discovery_runs_open",
            sa.text("(true)"),
            unique=True,
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index("ix_discovery_runs_started_at", "started_at"),
    )


class DeskLink(Base):
    """A page of a prefecture's own site that linked a desk at its last reading."""

    __tablename__ = "desk_links"

    desk_id: Mapped[str] = mapped_column(primary_key=True)
    page_url: Mapped[str] = mapped_column(primary_key=True)
    first_seen_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Drift(Base):
    """A desk that is not for sale because its page seems to have moved, until it is found or proven again.

    `detail` is the evidence, in English, for operators. A desk has at most one open drift.
    """

    __tablename__ = "drifts"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str]
    reason: Mapped[DriftReason] = mapped_column(enum_column(DriftReason, "reason"))
    detail: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
        sa.Index("uq_drifts_open", "desk_id", unique=True, postgresql_where=sa.text("ends_at IS NULL")),
    )


def is_page_lost() -> sa.ColumnElement[bool]:
    """Return the condition that the page of a row of `desks` is closed or seems to have moved."""
    moved = sa.exists().where(Drift.desk_id == DeskState.id, Drift.ends_at.is_(None))
    closed = DeskState.last_outcome.is_not_distinct_from(Outcome.CLOSED)
    return sa.or_(moved, closed)
