"""Exports of personal data: who asked for one, and the key of its file in the object store."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, EncryptedText, new_id
from api.models.user import User


class Export(Base):
    """An export that a user asked for. A user has one at most; its file in the store is named by `id`.

    The file is encrypted with `file_key`, which is nowhere else: without the row nobody can read the file.
    """

    __tablename__ = "exports"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"), unique=True)
    requested_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_attempt_at: Mapped[datetime | None]  # null once the file is made
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    file_key: Mapped[str | None] = mapped_column(EncryptedText)
    size_bytes: Mapped[int | None] = mapped_column(sa.BigInteger)

    __table_args__ = (
        sa.CheckConstraint(
            "num_nulls(ready_at, expires_at, file_key, size_bytes) IN (0, 4)"
            " AND (ready_at IS NULL) = (next_attempt_at IS NOT NULL)",
            name="ready",
        ),
        sa.CheckConstraint("starts_with(file_key, 'gAAAAA')", name="encrypted"),
        sa.Index("ix_exports_next_attempt_at", "next_attempt_at"),
        sa.Index("ix_exports_expires_at", "expires_at"),
    )
