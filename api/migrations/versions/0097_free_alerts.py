"""Alerts: those that people's reports serve, which no plan counts, and when their users were asked about reports."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0097"
down_revision: str | None = "0096"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("alerts", sa.Column("is_free", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("alerts", sa.Column("people_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_alerts_free", "alerts", ["id"], postgresql_where=sa.text("is_free AND closed_at IS NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_alerts_free", "alerts")
    op.drop_column("alerts", "people_asked_at")
    op.drop_column("alerts", "is_free")
