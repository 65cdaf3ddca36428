"""Whose outage it is, where a desk's page embeds another host's: the block of a calendar is not its page's."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("outages", sa.Column("host", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("outages", "host")
