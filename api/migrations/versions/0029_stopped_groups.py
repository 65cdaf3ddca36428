"""Groups of messages that the reader of a contact stopped."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0029"
down_revision: str | None = "0028"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    groups = postgresql.ARRAY(sa.Text())
    op.add_column("contacts", sa.Column("stopped_groups", groups, server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("contacts", "stopped_groups")
