"""The sweep's memory of its nudges: columns of notifications."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0087"
down_revision: str | None = "0086"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("nudged_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("notifications", sa.Column("nudges", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("notifications", "nudges")
    op.drop_column("notifications", "nudged_at")
