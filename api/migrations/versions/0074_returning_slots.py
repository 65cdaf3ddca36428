"""A slot that returns soon has its row again: it says itself whether anybody was told that it is gone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0074"
down_revision: str | None = "0073"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the cursors are of a job of the release before, which looks at two days then"


def upgrade() -> None:
    op.add_column("slots", sa.Column("gone_told_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_slots_gone_untold",
        "slots",
        ["gone_at"],
        postgresql_where=sa.text("gone_reason IN ('taken', 'past') AND gone_told_at IS NULL"),
    )
    op.drop_table("gone_cursors")


def downgrade() -> None:
    op.create_table(
        "gone_cursors",
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_gone_cursors_desk_id_desks")),
        sa.PrimaryKeyConstraint("desk_id", name=op.f("pk_gone_cursors")),
    )
    op.drop_index("ix_slots_gone_untold", table_name="slots")
    op.drop_column("slots", "gone_told_at")
