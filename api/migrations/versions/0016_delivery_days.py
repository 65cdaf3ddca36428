"""Deliveries of slot alerts by channel and day, summed up."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    channel = sa.Enum(
        "email", "sms", "telegram", name="channel", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "delivery_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("channel", channel, nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("p50_seconds", sa.Float(), nullable=True),
        sa.Column("p95_seconds", sa.Float(), nullable=True),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("accepted >= 0 AND failed >= 0", name=op.f("ck_delivery_days_counts")),
        sa.PrimaryKeyConstraint("day", "channel", name=op.f("pk_delivery_days")),
    )


def downgrade() -> None:
    op.drop_table("delivery_days")
