"""Orders that a person's link led to."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from api.models.base import Base, enum_column


class ReferralState(StrEnum):
    """What became of the days for a friend's order."""

    PENDING = "pending"  # its withdrawal period runs, or it is not paid
    GIVEN = "given"
    REFUSED = "refused"
    TAKEN_BACK = "taken_back"


class ReferralReason(StrEnum):
    """Why days were not given, or not to both, or not taken back from both."""

    MONEY_BACK = "money_back"  # the order was withdrawn, refunded or lost to the bank
    ONESELF = "oneself"  # same mailbox, phone or card
    ACCOUNT_GONE = "account_gone"
    NO_PLAN = "no_plan"  # who named us had none any more
    YEAR_FULL = "year_full"  # who named us had days for as many friends as a year allows
    # The days run, or the day of the next charge is told: nothing is taken back there
    CHARGE_TOLD = "charge_told"


class Referral(Base):
    """A friend's order, the user whose link it named, and the grants of both."""

    __tablename__ = "referrals"

    # The friend's order
    payment_id: Mapped[UUID] = mapped_column(sa.ForeignKey("payments.id"), primary_key=True)
    user_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("users.id", ondelete="SET NULL"), index=True)
    state: Mapped[ReferralState] = mapped_column(
        enum_column(ReferralState, "state"), default=ReferralState.PENDING, server_default="pending"
    )
    reason: Mapped[ReferralReason | None] = mapped_column(enum_column(ReferralReason, "reason"))
    friend_days: Mapped[int]  # as the order's page said
    days: Mapped[int] = mapped_column(default=0, server_default="0")  # of who named us, once they are given
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    friend_grant_id: Mapped[UUID | None] = mapped_column(
        sa.ForeignKey("grants.id", ondelete="SET NULL"), index=True
    )
    grant_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("grants.id", ondelete="SET NULL"), index=True)

    __table_args__ = (
        sa.CheckConstraint("friend_days > 0 AND days >= 0", name="days"),
        sa.CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
    )
