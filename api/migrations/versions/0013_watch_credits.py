"""Credits for paid time without watching, and the form in which a user wants them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    form = sa.Enum(
        "time", "invoice", "refund", name="form", native_enum=False, create_constraint=True, length=24
    )
    wish = sa.Enum(
        "credit", "refund", name="outage_credit", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "watch_credits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("form", form, nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_watch_credits_order")),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("ck_watch_credits_amount")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_watch_credits_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["refunds.id"], name=op.f("fk_watch_credits_refund_id_refunds")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch_credits")),
        sa.UniqueConstraint("payment_id", "starts_at", name=op.f("uq_watch_credits_payment_id_starts_at")),
    )
    op.create_index(
        "ix_watch_credits_next_attempt_at",
        "watch_credits",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_watch_credits_refund_id"), "watch_credits", ["refund_id"])
    op.add_column("users", sa.Column("outage_credit", wish, server_default="credit", nullable=False))


def downgrade() -> None:
    op.drop_column("users", "outage_credit")
    op.drop_table("watch_credits")
