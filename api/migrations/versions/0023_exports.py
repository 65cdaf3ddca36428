"""Exports of personal data, and Stripe's customers of deleted accounts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("requested_at", instant, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", instant),
        sa.Column("ready_at", instant),
        sa.Column("expires_at", instant),
        sa.Column("file_key", sa.Text()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.CheckConstraint(
            "num_nulls(ready_at, expires_at, file_key, size_bytes) IN (0, 4)"
            " AND (ready_at IS NULL) = (next_attempt_at IS NOT NULL)",
            name=op.f("ck_exports_ready"),
        ),
        sa.CheckConstraint("starts_with(file_key, 'gAAAAA')", name=op.f("ck_exports_encrypted")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_exports_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        sa.UniqueConstraint("user_id", name=op.f("uq_exports_user_id")),
    )
    op.create_index("ix_exports_next_attempt_at", "exports", ["next_attempt_at"])
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"])
    op.create_table(
        "former_customers",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("dropped_at", instant, nullable=False),
        sa.Column("next_attempt_at", instant, nullable=False),
        sa.CheckConstraint("length(customer) <= 255", name=op.f("ck_former_customers_length")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_former_customers_payment_id")),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_former_customers")),
    )
    op.create_index("ix_former_customers_customer", "former_customers", ["customer"])
    op.create_index("ix_former_customers_next_attempt_at", "former_customers", ["next_attempt_at"])


def downgrade() -> None:
    op.drop_table("former_customers")
    op.drop_table("exports")
