"""Deliveries of slot alerts by one channel in one day, summed up; the public ledger reads them."""

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column
from api.models.user import Channel


class DeliveryDay(Base):
    """One UTC day and channel. Slot alerts count on the day on which they were written; only sums, nobody's rows."""

    __tablename__ = "delivery_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    channel: Mapped[Channel] = mapped_column(enum_column(Channel, "channel"), primary_key=True)
    accepted: Mapped[int]
    # from reading the page to the provider's acceptance; null where none was accepted
    p50_seconds: Mapped[float | None]
    p95_seconds: Mapped[float | None]
    failed: Mapped[int]  # never accepted, although a slot of theirs was open when they were tried
    updated_at: Mapped[datetime]

    __table_args__ = (sa.CheckConstraint("accepted >= 0 AND failed >= 0", name="counts"),)
