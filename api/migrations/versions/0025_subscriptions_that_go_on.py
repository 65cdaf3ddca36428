"""A subscription whose end is taken back waits for Stripe as well: then no end is wanted, and an attempt is due.

Revision ID: 0025
Revises: 0024
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NAME = "ck_subscriptions_attempts_end"


def upgrade() -> None:
    op.drop_constraint(op.f(_NAME), "subscriptions", type_="check")


def downgrade() -> None:
    op.execute("UPDATE subscriptions SET next_attempt_at = NULL WHERE cancel_wanted_at IS NULL")
    op.create_check_constraint(
        op.f(_NAME), "subscriptions", "cancel_wanted_at IS NOT NULL OR next_attempt_at IS NULL"
    )
