"""What a message waits for is a column, in place of words at the end of its reason."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0070"
down_revision: str | None = "0069"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_VALUES = ("quiet_hours", "digest", "hourly_cap", "slots", "report")


def upgrade() -> None:
    op.add_column("notifications", sa.Column("held_for", sa.String(24)))
    op.create_check_constraint(
        op.f("ck_notifications_held_for"), "notifications", sa.column("held_for").in_(_VALUES)
    )


def downgrade() -> None:
    op.drop_column("notifications", "held_for")
