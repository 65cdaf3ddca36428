"""Holds: times in which a desk's alerts wait, since several people have reported that its page shows nothing."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from api.models.base import Base
from api.models.desk import DeskState

PROVEN_ANSWERS = 2  # conclusive checks, begun after the hold did, that end it


class Hold(Base):
    """A hold of one desk; at most one is open. What is open when it ends is sent.

    `desks.held_at` repeats `starts_at` of the open hold, for the statements that read the desk's row anyway.
    """

    __tablename__ = "holds"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str] = mapped_column(sa.ForeignKey(DeskState.id))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    people: Mapped[int] = mapped_column(sa.SmallInteger)  # who reported it
    proven: Mapped[int] = mapped_column(
        sa.SmallInteger, default=0, server_default="0"
    )  # conclusive checks since

    __table_args__ = (
        sa.CheckConstraint("ends_at >= starts_at", name="order"),
        sa.Index("uq_holds_open", "desk_id", unique=True, postgresql_where=sa.text("ends_at IS NULL")),
        sa.Index("ix_holds_desk_id_starts_at", "desk_id", "starts_at"),
    )


def is_held(desk_id: InstrumentedAttribute[str]) -> sa.ColumnElement[bool]:
    """Return the condition that the alerts of a row's desk wait."""
    held = sa.select(DeskState.id).where(DeskState.id == desk_id, DeskState.held_at.is_not(None))
    return held.exists()
