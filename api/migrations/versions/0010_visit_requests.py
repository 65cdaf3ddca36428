"""What a desk's visits lately took: a budget shared by the cheapest visit promises intervals that it cannot keep."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("desks", sa.Column("visit_requests", sa.Float(), nullable=True))


def downgrade() -> None:
    op.drop_column("desks", "visit_requests")
