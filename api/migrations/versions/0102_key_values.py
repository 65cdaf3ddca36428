"""Values of keys, by a short name, with the time since when they are in use."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0102"
down_revision: str | None = "0101"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    names = (sa.Column(name, sa.Text(), primary_key=True) for name in ("program", "setting", "name"))
    times = (
        sa.Column(name, sa.DateTime(timezone=True), nullable=name == "writes_since")
        for name in ("first_seen_at", "writes_since", "seen_at")
    )
    op.create_table("key_values", *names, *times)


def downgrade() -> None:
    op.drop_table("key_values")
