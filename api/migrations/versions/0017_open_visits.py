"""What a visit takes while slots are open: what a desk's host allows is promised for that time too.

Until the planner has looked, a desk's share is what was called feasible.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("desks", sa.Column("share_seconds", sa.Float(), nullable=True))
    op.add_column("desks", sa.Column("open_requests", sa.Float(), nullable=True))
    op.execute("UPDATE desks SET share_seconds = feasible_seconds")


def downgrade() -> None:
    op.execute("UPDATE desks SET feasible_seconds = share_seconds")
    op.drop_column("desks", "open_requests")
    op.drop_column("desks", "share_seconds")
