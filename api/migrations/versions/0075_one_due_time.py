"""A message has one instant at which it is due."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0075"
down_revision: str | None = "0074"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "workers of the release before fail while both run: nothing is installed anywhere"

_INDEX, _OPEN = "ix_notifications_due", sa.text("state IN ('pending', 'sending')")


def upgrade() -> None:
    op.drop_index(_INDEX, table_name="notifications")
    op.drop_column("notifications", "next_nudge_at")
    op.drop_column("notifications", "nudges")
    op.create_index(_INDEX, "notifications", ["next_attempt_at"], postgresql_where=_OPEN)


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="notifications")
    op.add_column("notifications", sa.Column("next_nudge_at", sa.DateTime(timezone=True)))
    op.add_column("notifications", sa.Column("nudges", sa.Integer(), server_default="0", nullable=False))
    op.execute(sa.text("UPDATE notifications SET next_nudge_at = next_attempt_at"))
    op.alter_column("notifications", "next_nudge_at", nullable=False)
    op.create_index(_INDEX, "notifications", ["next_nudge_at"], postgresql_where=_OPEN)
