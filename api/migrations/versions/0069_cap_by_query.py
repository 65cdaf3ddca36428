"""The hourly cap is a query over messages: no more buckets of contacts and users."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0069"
down_revision: str | None = "0068"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "nothing is installed: no program of the release before reads the columns"

_COLUMN = "alert_budget_full_at"
_INDEX = "ix_notifications_user_id_accepted_at"


def upgrade() -> None:
    op.create_index(
        _INDEX,
        "notifications",
        ["user_id", "accepted_at"],
        postgresql_where=sa.text("kind = 'slot_detected' AND accepted_at IS NOT NULL"),
    )
    for table in ("users", "contacts"):
        op.drop_column(table, _COLUMN)


def downgrade() -> None:
    for table in ("users", "contacts"):
        op.add_column(table, sa.Column(_COLUMN, sa.DateTime(timezone=True)))
    op.drop_index(_INDEX, table_name="notifications")
