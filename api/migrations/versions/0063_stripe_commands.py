"""One outbox of commands to Stripe, in place of the attempts that rows counted; credits of a number of seconds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0063"
down_revision: str | None = "0062"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CONTRACTS = "Nothing is installed: the columns go together with the code that used them."

_INSTANT = sa.DateTime(timezone=True)
_TRIED = ("refunds", "subscriptions", "watch_credits")


def upgrade() -> None:
    kind = sa.Enum(
        "refund", "credit", "end", name="kind", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "stripe_commands",
        sa.Column("kind", kind, nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("key_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", _INSTANT, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject_id", name=op.f("pk_stripe_commands")),
    )
    op.create_index("ix_stripe_commands_next_attempt_at", "stripe_commands", ["next_attempt_at"])
    op.drop_constraint(op.f("ck_refunds_attempts_end"), "refunds", type_="check")
    for table in _TRIED:
        op.drop_index(f"ix_{table}_next_attempt_at", table)
        op.drop_column(table, "next_attempt_at")
        op.drop_column(table, "attempts")
    op.drop_index("ix_former_customers_next_attempt_at", "former_customers")
    op.drop_column("former_customers", "next_attempt_at")
    op.drop_column("watch_credits", "starts_at")  # with its constraints
    op.drop_column("watch_credits", "ends_at")
    op.drop_constraint(op.f("ck_watch_credits_amount"), "watch_credits", type_="check")
    op.add_column("watch_credits", sa.Column("seconds", sa.Integer(), nullable=False))
    op.create_check_constraint(
        op.f("ck_watch_credits_amounts"), "watch_credits", "amount_cents >= 0 AND seconds >= 0"
    )
    op.create_index(op.f("ix_watch_credits_payment_id"), "watch_credits", ["payment_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_watch_credits_payment_id"), "watch_credits")
    op.drop_constraint(op.f("ck_watch_credits_amounts"), "watch_credits", type_="check")
    op.drop_column("watch_credits", "seconds")
    op.create_check_constraint(op.f("ck_watch_credits_amount"), "watch_credits", "amount_cents >= 0")
    op.add_column("watch_credits", sa.Column("starts_at", _INSTANT, nullable=False))
    op.add_column("watch_credits", sa.Column("ends_at", _INSTANT, nullable=False))
    op.create_check_constraint(op.f("ck_watch_credits_order"), "watch_credits", "ends_at > starts_at")
    op.create_unique_constraint(
        op.f("uq_watch_credits_payment_id_starts_at"), "watch_credits", ["payment_id", "starts_at"]
    )
    op.add_column(
        "former_customers",
        sa.Column("next_attempt_at", _INSTANT, server_default=sa.func.now(), nullable=False),
    )
    op.alter_column("former_customers", "next_attempt_at", server_default=None)
    op.create_index("ix_former_customers_next_attempt_at", "former_customers", ["next_attempt_at"])
    for table in _TRIED:
        op.add_column(table, sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
        op.add_column(table, sa.Column("next_attempt_at", _INSTANT, nullable=True))
        due = sa.text("next_attempt_at IS NOT NULL")
        op.create_index(f"ix_{table}_next_attempt_at", table, ["next_attempt_at"], postgresql_where=due)
    op.create_check_constraint(
        op.f("ck_refunds_attempts_end"), "refunds", "status = 'planned' OR next_attempt_at IS NULL"
    )
    op.drop_table("stripe_commands")
