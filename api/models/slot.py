"""Slots with their opening and end, and the detections that announced them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.models.base import Base, enum_column, new_id, word_column
from api.models.desk import DeskState, Source
from configs.settings import Constant

# A slot that is back so soon after it was gone is the same slot: its row is open again, and no message is sent twice
return_seconds = Constant("RETURN_SECONDS", 300.0)


class GoneReason(StrEnum):
    """Why a slot is no longer open.

    `taken`: a reading covered its place and date without it. `past`: its moment came. `lapsed`: no check confirmed
    it for too long. `superseded`: an `open` slot whose place now shows its hours; when these lapse, it may be open
    again.
    """

    TAKEN = "taken"
    PAST = "past"
    LAPSED = "lapsed"
    SUPERSEDED = "superseded"


class SlotRow(Base):
    """A bookable moment of a desk, from its first sight to its end.

    `moment` is an ISO instant, a date or `open`. It is never null: to a unique index two nulls are different.
    `source`: seen by checks, or by people alone. `in_doubt`: one untrusted person saw it, nobody corroborated it.
    `gone_told_at` is when messages and notices were told that it is gone: after RETURN_SECONDS, where a check has shown
    it to be (`taken`, `past`). From then on it does not return.
    """

    __tablename__ = "slots"

    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    desk_id: Mapped[str] = mapped_column(sa.ForeignKey(DeskState.id))
    place_key: Mapped[str]
    place_label: Mapped[str | None]
    moment: Mapped[str]
    starts_at: Mapped[datetime | None]
    seats: Mapped[int | None]
    url: Mapped[str]
    opened_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]
    gone_reason: Mapped[GoneReason | None] = mapped_column(enum_column(GoneReason, "gone_reason"))
    gone_told_at: Mapped[datetime | None]
    source: Mapped[Source] = word_column(Source.CHECK, "source")
    in_doubt: Mapped[bool] = mapped_column(default=False, server_default=sa.false())

    __table_args__ = (
        sa.CheckConstraint("(gone_at IS NULL) = (gone_reason IS NULL)", name="gone_with_reason"),
        sa.CheckConstraint("seen_at >= opened_at", name="seen_after_opened"),
        sa.CheckConstraint("NOT in_doubt OR source = 'report'", name="doubt"),
        sa.CheckConstraint(r"moment = 'open' OR moment ~ '^\d{4}-\d\d-\d\d'", name="moment"),
        sa.Index(
            "uq_slots_open",
            "desk_id",
            "place_key",
            "moment",
            unique=True,
            postgresql_where=sa.text("gone_at IS NULL"),
        ),
        sa.Index("ix_slots_desk_id_place_key_moment", "desk_id", "place_key", "moment"),
        sa.Index("ix_slots_desk_id_opened_at", "desk_id", "opened_at"),
        sa.Index(
            "ix_slots_desk_id_gone_at", "desk_id", "gone_at", postgresql_where=sa.text("gone_at IS NOT NULL")
        ),
        sa.Index("ix_slots_seen_at", "seen_at", postgresql_where=sa.text("gone_at IS NULL")),
        sa.Index(
            "ix_slots_gone_untold",
            "gone_at",
            postgresql_where=sa.text("gone_reason IN ('taken', 'past') AND gone_told_at IS NULL"),
        ),
    )


def is_from_check(row: type["SlotRow"] | type["Detection"]) -> sa.ColumnElement[bool]:
    """Return the condition that a check saw a slot or a detection: all that measures, proves or sells names it."""
    return row.source == Source.CHECK


class Detection(Base):
    """Slots that one check saw and that were not open before, with a copy of the desk's attributes then.

    Of `source` report: what people saw (`opening_id`: its first report). `in_doubt` is told to those who asked for it;
    once it is corroborated, another detection tells all; one `is_again` those who were told, too. Nobody else is told
    twice of one opening: what a later detection adds is edited.
    """

    __tablename__ = "detections"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    desk_id: Mapped[str] = mapped_column(sa.ForeignKey(DeskState.id))
    prefecture_id: Mapped[str]
    procedures: Mapped[list[str]]
    label: Mapped[str]
    site: Mapped[str | None]
    source: Mapped[Source] = mapped_column(enum_column(Source, "source"), default=Source.CHECK)
    booking_url: Mapped[str]
    seen_at: Mapped[datetime]
    committed_at: Mapped[datetime]
    matched_at: Mapped[datetime | None]
    next_nudge_at: Mapped[datetime | None]
    nudges: Mapped[int] = mapped_column(default=0, server_default="0")
    proof_key: Mapped[str | None]
    in_doubt: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    opening_id: Mapped[UUID | None]
    is_again: Mapped[bool] = mapped_column(default=False, server_default=sa.false())

    slots: Mapped[list[SlotRow]] = relationship(secondary="detection_slots", order_by=SlotRow.moment)

    __table_args__ = (
        sa.CheckConstraint("cardinality(procedures) > 0", name="procedures"),
        sa.CheckConstraint("NOT in_doubt OR source = 'report'", name="doubt"),
        sa.Index("ix_detections_desk_id_seen_at", "desk_id", sa.text("seen_at DESC")),
        sa.Index("ix_detections_prefecture_id_seen_at", "prefecture_id", sa.text("seen_at DESC")),
        # Covering index: public statistics count the last days without reading the table.
        sa.Index("ix_detections_seen_at", "seen_at", postgresql_include=["prefecture_id"]),
        sa.Index(
            "ix_detections_opening_id", "opening_id", postgresql_where=sa.text("opening_id IS NOT NULL")
        ),
        sa.Index("ix_detections_unmatched", "committed_at", postgresql_where=sa.text("matched_at IS NULL")),
    )


class DetectionSlot(Base):
    """The slots of a detection."""

    __tablename__ = "detection_slots"

    detection_id: Mapped[UUID] = mapped_column(
        sa.ForeignKey("detections.id", ondelete="CASCADE"), primary_key=True
    )
    slot_id: Mapped[int] = mapped_column(
        sa.BigInteger, sa.ForeignKey("slots.id", ondelete="CASCADE"), primary_key=True
    )

    __table_args__ = (sa.Index("ix_detection_slots_slot_id", "slot_id"),)
