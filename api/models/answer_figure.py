"""Figures of answers to alerts, and of how long slots lived, by month, platform and desk. No row is about a person."""

from datetime import date, datetime

from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base

EVERY = ""  # in place of a platform or a desk: the row is of all of them
NO_PLATFORM = "none"  # of desks that the files no longer had


class AnswerFigure(Base):
    """One UTC month and desk: the alerts that were sent, and the answers given.

    They outlive the accounts: they are added up as alerts and answers come, and never computed again.
    """

    __tablename__ = "answer_figures"

    month: Mapped[date] = mapped_column(primary_key=True)  # its first day
    platform: Mapped[str] = mapped_column(primary_key=True)  # of the desk when it was counted
    desk_id: Mapped[str] = mapped_column(primary_key=True)
    alerts: Mapped[int]  # of one person's alert for one detection, accepted by a provider
    found: Mapped[int]
    too_late: Mapped[int]
    nothing_there: Mapped[int]
    stopped: Mapped[int]
    updated_at: Mapped[datetime]


class SlotLife(Base):
    """The slots that were seen to be taken in a UTC month, and how long they had been open.

    Percentiles cannot be merged: a platform and all desks together have rows of their own.
    """

    __tablename__ = "slot_lives"

    month: Mapped[date] = mapped_column(primary_key=True)  # its first day
    platform: Mapped[str] = mapped_column(primary_key=True)
    desk_id: Mapped[str] = mapped_column(primary_key=True)
    taken: Mapped[int]
    seconds: Mapped[list[float]]  # p25, p50, p75
    updated_at: Mapped[datetime]


class FigureCursor(Base):
    """Until when the rows of a kind are counted."""

    __tablename__ = "figure_cursors"

    name: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
