"""Suspension of accounts: since when, and why."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0103"
down_revision: str | None = "0102"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("suspended_at", sa.DateTime(timezone=True)))
    op.add_column("users", sa.Column("suspended_because", sa.Text()))
    op.create_check_constraint(
        op.f("ck_users_suspension"), "users", "(suspended_at IS NULL) = (suspended_because IS NULL)"
    )


def downgrade() -> None:
    op.drop_column("users", "suspended_because")
    op.drop_column("users", "suspended_at")
