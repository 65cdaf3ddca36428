"""The time at which Twilio is asked for the price of an SMS."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("price_due_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_notifications_price_due_at",
        "notifications",
        ["price_due_at"],
        postgresql_where=sa.text("price_due_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_price_due_at", table_name="notifications")
    op.drop_column("notifications", "price_due_at")
