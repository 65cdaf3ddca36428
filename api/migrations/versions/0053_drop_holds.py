"""No holds of desks' alerts any more: what people answer alarms operators, and changes nothing by itself."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0053"
down_revision: str | None = "0052"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "nothing is installed: no release before runs anywhere"

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_table("holds")
    op.drop_column("desks", "held_at")


def downgrade() -> None:
    op.add_column("desks", sa.Column("held_at", _INSTANT))
    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("starts_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT),
        sa.Column("people", sa.SmallInteger(), nullable=False),
        sa.Column("proven", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_holds_order")),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_holds_desk_id_desks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index(
        "uq_holds_open", "holds", ["desk_id"], unique=True, postgresql_where=sa.text("ends_at IS NULL")
    )
    op.create_index("ix_holds_desk_id_starts_at", "holds", ["desk_id", "starts_at"])
