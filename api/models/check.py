"""Checks: one row each, with any outcome; the table is partitioned by day."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from configs.world.outcome import Outcome


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

    __table_args__ = (
        sa.CheckConstraint("milliseconds >= 0 AND requests >= 0 AND slots_seen >= 0", name="counts"),
        sa.Index("ix_checks_desk_id_started_at", "desk_id", sa.text("started_at DESC")),
        sa.Index("ix_checks_started_at", "started_at"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )
