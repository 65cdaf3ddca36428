"""When a desk's page says that more slots will be put on line: the desk is due at that instant, and people may know."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("desks", sa.Column("releases_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("desks", "releases_at")
