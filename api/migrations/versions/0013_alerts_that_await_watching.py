"""Alerts that are kept until a desk they are about can be watched: they wait for that, not yet for slots."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "alerts", sa.Column("awaits_watch", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_check_constraint(op.f("ck_alerts_awaits_paused"), "alerts", "NOT (awaits_watch AND enabled)")
    op.create_index(
        "ix_alerts_awaits_watch",
        "alerts",
        ["id"],
        postgresql_where=sa.text("awaits_watch AND closed_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_alerts_awaits_watch", "alerts")
    op.drop_constraint(op.f("ck_alerts_awaits_paused"), "alerts")
    op.drop_column("alerts", "awaits_watch")
