"""Figures of slot alerts by day, channel, provider and prefecture."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNTS = (
    "messages", "sent", "delivered", "bounced", "no_receipt", "failed", "expired", "skipped", "unsure", "tracked",
    "confirmed",
)  # fmt: skip
_DELAYS = (
    "seen_to_committed", "committed_to_matched", "matched_to_accepted", "accepted_to_delivered", "seen_to_accepted",
    "seen_to_delivered",
)  # fmt: skip


def upgrade() -> None:
    channel = sa.Enum(
        "email", "sms", "telegram", name="channel", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "delivery_figures",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("channel", channel, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("prefecture_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        *(sa.Column(name, postgresql.ARRAY(sa.Float())) for name in _DELAYS),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "confirmed <= tracked AND tracked <= sent", name=op.f("ck_delivery_figures_counts")
        ),
        sa.PrimaryKeyConstraint(
            "day", "channel", "provider", "prefecture_id", name=op.f("pk_delivery_figures")
        ),
    )


def downgrade() -> None:
    op.drop_table("delivery_figures")
