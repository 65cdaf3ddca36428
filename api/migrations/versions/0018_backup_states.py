"""State of the backups: one row per part."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PARTS = ("base", "dump", "migration", "proofs", "wal", "store")


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "backup_states",
        sa.Column(
            "part",
            sa.Enum(*_PARTS, name="part", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("name", sa.Text()),
        sa.Column("started_at", instant),
        sa.Column("finished_at", instant),
        sa.Column("bytes", sa.BigInteger()),
        sa.Column("previous_bytes", sa.BigInteger()),
        sa.Column("trouble", sa.Text()),
        sa.Column("trouble_since", instant),
        sa.Column("request", sa.Uuid()),
        sa.Column("answer", sa.Uuid()),
        sa.CheckConstraint(
            "(trouble IS NULL) = (trouble_since IS NULL)",
            name=op.f("ck_backup_states_trouble_with_time"),
        ),
        sa.PrimaryKeyConstraint("part", name=op.f("pk_backup_states")),
    )


def downgrade() -> None:
    op.drop_table("backup_states")
