"""Requests to support."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base
from api.models.user import User


class SupportRequest(Base):
    """A message to support; `id` is the number to quote. `user_id` is null where its sender was not signed in."""

    __tablename__ = "support_requests"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey(User.id, ondelete="SET NULL"))
    email: Mapped[str]
    message: Mapped[str]
    language: Mapped[str | None]  # of the answer; without it the account's
    answer: Mapped[str | None]  # an operator's
    ended_at: Mapped[datetime | None]  # answered, or dealt with otherwise
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())

    __table_args__ = (
        sa.CheckConstraint("length(email) <= 254", name="email_length"),
        sa.CheckConstraint("length(message) BETWEEN 1 AND 5000", name="message_length"),
        sa.CheckConstraint("length(answer) BETWEEN 1 AND 5000", name="answer_length"),
        sa.Index("ix_support_requests_user_id", "user_id"),
        sa.Index("ix_support_requests_created_at", "created_at"),
        sa.Index("ix_support_requests_email_created_at", sa.func.lower(sa.text("email")), "created_at"),
    )
