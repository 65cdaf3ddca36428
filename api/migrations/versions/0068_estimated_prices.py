"""No more prices asked for: what an SMS or a call cost is our estimate."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0068"
down_revision: str | None = "0067"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "nothing is installed: no program of the release before reads the column"


def upgrade() -> None:
    op.drop_column("notifications", "price_due_at")  # its index goes with it


def downgrade() -> None:
    op.add_column("notifications", sa.Column("price_due_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_notifications_price_due_at",
        "notifications",
        ["price_due_at"],
        postgresql_where=sa.text("price_due_at IS NOT NULL"),
    )
