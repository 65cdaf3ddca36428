"""The budget of slot alerts that a user has on all channels together."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("alert_budget_full_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("users", "alert_budget_full_at")
