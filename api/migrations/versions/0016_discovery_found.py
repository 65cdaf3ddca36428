"""How many booking pages a walk found that no desk file has: whoever looks at the state sees that there is a report."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("discovery_runs", sa.Column("found", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("discovery_runs", "found")
