"""Releases of slots that pages name."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0085"
down_revision: str | None = "0084"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "publications",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("source", sa.String(24), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_publications"),
        sa.UniqueConstraint(
            "desk_id", "released_at", "first_day", name="uq_publications_desk_id_released_at_first_day"
        ),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name="fk_publications_desk_id"),
        sa.CheckConstraint("source IN ('check', 'report')", name="source"),
        sa.CheckConstraint("last_day >= first_day AND seen_last_at >= seen_at", name="order"),
    )
    op.create_index("ix_publications_released_at", "publications", ["released_at"])


def downgrade() -> None:
    op.drop_table("publications")
