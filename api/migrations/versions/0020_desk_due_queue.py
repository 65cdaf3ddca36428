"""Which due queue a desk waits in: health says of each how old its newest check is."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("desks", sa.Column("due_queue", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("desks", "due_queue")
