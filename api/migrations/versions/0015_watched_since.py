"""Since when the targets of an alert wait without a pause: time before that is no hole in its watching."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    now = sa.func.now()
    op.add_column(
        "alerts", sa.Column("watched_since", sa.DateTime(timezone=True), server_default=now, nullable=False)
    )


def downgrade() -> None:
    op.drop_column("alerts", "watched_since")
