"""Notices: what the app itself shows a user. A notice has no channel, no queue and no contact."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, new_id
from api.models.user import User


class Notice(Base):
    """A text for one user, as it was in the user's language when it was written."""

    __tablename__ = "notices"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)  # a UUIDv7: it grows with time
    user_id: Mapped[UUID] = mapped_column(sa.ForeignKey(User.id, ondelete="CASCADE"))
    kind: Mapped[str]  # of message
    language: Mapped[str]  # of title and body
    title: Mapped[str]
    body: Mapped[str]  # plain text
    link: Mapped[str | None]  # path of one of our pages
    detection_id: Mapped[UUID | None]  # of a slot alert; no foreign key: a crowd writes 10,000 of these rows
    # Of other kinds than slot alerts, whose matching is done once by its own locks: a key is written once per user.
    dedupe_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
    read_at: Mapped[datetime | None]
    gone_at: Mapped[datetime | None]  # when what it announced was gone

    __table_args__ = (
        sa.Index("ix_notices_user_id_id", "user_id", "id"),
        sa.Index(
            "uq_notices_user_id_dedupe_key",
            "user_id",
            "dedupe_key",
            unique=True,
            postgresql_where=sa.text("dedupe_key IS NOT NULL"),
        ),
    )
