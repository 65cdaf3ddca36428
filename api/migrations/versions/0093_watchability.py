"""Desks: the proof before the last, the faster pace, the slowest interval, checks that pages of orders request."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0093"
down_revision: str | None = "0092"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = ("proven_before_at", "fast_since", "order_check_at")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("desks", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("desks", sa.Column("slowest_seconds", sa.Float(), nullable=True))
    op.execute("UPDATE desks SET proven_before_at = last_proven_at WHERE status = 'ACTIVE'")


def downgrade() -> None:
    for name in (*_COLUMNS, "slowest_seconds"):
        op.drop_column("desks", name)
