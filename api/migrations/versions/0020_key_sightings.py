"""Sightings of keys: which values the programs have started with, by fingerprint."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "key_sightings",
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("first_seen_at", instant, nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("first_since", instant),
        sa.PrimaryKeyConstraint("program", "name", "fingerprint", name=op.f("pk_key_sightings")),
    )


def downgrade() -> None:
    op.drop_table("key_sightings")
