"""The paid time that was not watched, recorded while it lasts, and up to when that was done."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0061"
down_revision: str | None = "0060"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("payments", sa.Column("measured_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "unwatched",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("least_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_unwatched_order")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_unwatched_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unwatched")),
    )
    op.create_index("ix_unwatched_payment_id_starts_at", "unwatched", ["payment_id", "starts_at"])


def downgrade() -> None:
    op.drop_table("unwatched")
    op.drop_column("payments", "measured_at")
