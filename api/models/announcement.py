"""Announcements that operators write to many people: whom, in which words, and how far they are."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, new_id
from configs.world.plan import PlanName


class Announcement(Base):
    """One announcement. It goes to all, to those of a plan, or to those who wait at a prefecture or one of its desks.

    A service notice concerns the service, and needs no consent; news go to who consented to them.
    """

    __tablename__ = "announcements"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    is_news: Mapped[bool]
    plan: Mapped[PlanName | None] = mapped_column(sa.Text)
    place: Mapped[str | None]  # a prefecture's id, or a desk's
    texts: Mapped[dict[str, list[str]]] = mapped_column(JSONB)  # by language: the title, then the paragraphs
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    written_to: Mapped[UUID | None]  # the last person, in the order of their ids
    written: Mapped[int] = mapped_column(default=0, server_default="0")
    done_at: Mapped[datetime | None]
    stopped_at: Mapped[datetime | None]

    __table_args__ = (
        sa.CheckConstraint("plan IS NULL OR place IS NULL", name="audience"),
        sa.Index(
            "ix_announcements_running",
            "started_at",
            postgresql_where=sa.text("started_at IS NOT NULL AND done_at IS NULL AND stopped_at IS NULL"),
        ),
    )

    def choose_text(self, language: str) -> list[str]:
        """Return title and paragraphs in a language; in English, else in French, where it has none."""
        return next(self.texts[each] for each in (language, "en", "fr") if each in self.texts)
