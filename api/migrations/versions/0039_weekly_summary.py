"""Since when a reader wants the weekly summary."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0039"
down_revision: str | None = "0043"  # which was merged first
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "ix_contacts_summary"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("summary_since", sa.DateTime(timezone=True)))
    op.create_index(_INDEX, "contacts", ["user_id"], postgresql_where=sa.text("summary_since IS NOT NULL"))


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="contacts")
    op.drop_column("contacts", "summary_since")
