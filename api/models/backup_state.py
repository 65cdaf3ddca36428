"""State of the backups: one row per part, written by `python -m deploy.backup` and read by health."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column

# Health warns when the log is stored only up to so long ago
BACKUP_LATE_SECONDS = 900


class BackupPart(StrEnum):
    """A part of the backups. `wal`: the archive of the write-ahead log. `store`: what a look at the store found."""

    BASE = "base"
    DUMP = "dump"
    MIGRATION = "migration"
    PROOFS = "proofs"
    WAL = "wal"
    STORE = "store"


class BackupState(Base):
    """The newest complete backup of one part, and what is wrong with it.

    A migration asks for a dump by a new `request` in the row `migration`; the dump is complete when `answer` is equal.
    """

    __tablename__ = "backup_states"

    part: Mapped[BackupPart] = mapped_column(enum_column(BackupPart, "part"), primary_key=True)
    name: Mapped[str | None]  # of the newest complete one; the last position of the WAL
    started_at: Mapped[datetime | None]  # by PostgreSQL's clock, as all instants here
    finished_at: Mapped[datetime | None]  # of the WAL: everything up to then is stored
    bytes: Mapped[int | None] = mapped_column(sa.BigInteger)  # encrypted, as stored
    previous_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)  # of the one before
    trouble: Mapped[str | None]  # of the last attempt; without addresses, for everybody reads health
    trouble_since: Mapped[datetime | None]
    request: Mapped[UUID | None]
    answer: Mapped[UUID | None]

    __table_args__ = (
        sa.CheckConstraint("(trouble IS NULL) = (trouble_since IS NULL)", name="trouble_with_time"),
    )
