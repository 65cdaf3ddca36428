"""Missed slot alerts in `delivery_figures`, which the public ledger reads in place of `delivery_days`."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0082"
down_revision: str | None = "0081"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "Nothing is installed: the table goes together with the code that used it."

_CHANNELS = ("email", "sms", "telegram", "voice", "push")


def upgrade() -> None:
    op.add_column("delivery_figures", sa.Column("missed", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("delivery_figures", "missed", server_default=None)
    op.drop_table("delivery_days")


def downgrade() -> None:
    op.create_table(
        "delivery_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("channel", sa.String(length=24), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("p50_seconds", sa.Float(), nullable=True),
        sa.Column("p95_seconds", sa.Float(), nullable=True),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("accepted >= 0 AND failed >= 0", name=op.f("ck_delivery_days_counts")),
        sa.CheckConstraint(sa.column("channel").in_(_CHANNELS), name=op.f("ck_delivery_days_channel")),
        sa.PrimaryKeyConstraint("day", "channel", name=op.f("pk_delivery_days")),
    )
    op.drop_column("delivery_figures", "missed")
