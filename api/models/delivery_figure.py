"""Figures of slot alerts by day, channel, provider and prefecture: their fates, and how long each stage took."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.user import Channel

ALL = ""  # in place of a provider or a prefecture: the row sums up all of them
NONE = "none"  # messages that no provider accepted, or that name no desk any more


class DeliveryFigure(Base):
    """One UTC day and channel, of one provider or all, of one prefecture or all; sums only.

    Percentiles cannot be merged: each combination has a row of its own. `a_to_b` are the seconds between two instants
    of a message's way, as p50, p95 and p99; null where no message came so far.
    """

    __tablename__ = "delivery_figures"

    day: Mapped[date] = mapped_column(primary_key=True)  # on which the messages were written
    channel: Mapped[Channel] = mapped_column(enum_column(Channel, "channel"), primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    prefecture_id: Mapped[str] = mapped_column(primary_key=True)
    messages: Mapped[int]
    sent: Mapped[int]  # accepted by a provider, whatever came later
    delivered: Mapped[int]
    bounced: Mapped[int]
    no_receipt: Mapped[int]
    failed: Mapped[int]
    expired: Mapped[int]
    skipped: Mapped[int]
    unsure: Mapped[int]  # with an attempt of unknown fate: may have arrived twice, or without our knowing
    missed: Mapped[int]  # refused for good while one of their slots was open, or expired after attempts
    tracked: Mapped[int]  # of providers that send receipts: delivered, bounced or without a receipt in time
    confirmed: Mapped[int]  # delivered ones among `tracked`
    seen_to_committed: Mapped[list[float] | None]
    committed_to_matched: Mapped[list[float] | None]
    matched_to_accepted: Mapped[list[float] | None]
    accepted_to_delivered: Mapped[list[float] | None]
    seen_to_accepted: Mapped[list[float] | None]
    seen_to_delivered: Mapped[list[float] | None]
    updated_at: Mapped[datetime]

    __table_args__ = (sa.CheckConstraint("confirmed <= tracked AND tracked <= sent", name="counts"),)
