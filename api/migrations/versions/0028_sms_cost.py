"""An index by which the cost of a day's SMS is summed up."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_notifications_sms_accepted_at",
        "notifications",
        ["accepted_at"],
        postgresql_where=sa.text("channel = 'sms' AND accepted_at IS NOT NULL"),
        postgresql_include=["cost"],
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_sms_accepted_at", "notifications")
