"""Until when the slots of each desk that went were looked at, and an index that finds them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0037"
down_revision: str | None = "0036"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "gone_cursors",
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_gone_cursors_desk_id_desks")),
        sa.PrimaryKeyConstraint("desk_id", name=op.f("pk_gone_cursors")),
    )
    op.create_index(
        "ix_slots_desk_id_gone_at",
        "slots",
        ["desk_id", "gone_at"],
        postgresql_where=sa.text("gone_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_slots_desk_id_gone_at", table_name="slots")
    op.drop_table("gone_cursors")
