"""Programs record no more which keys they start with: docs/keys.md has the order of a rotation."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0079"
down_revision: str | None = "0078"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "nothing is installed: no program of the release before writes the table"


def upgrade() -> None:
    op.drop_table("key_sightings")


def downgrade() -> None:
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
