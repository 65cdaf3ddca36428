"""Column `users.factor_ends_at`: the end of a second factor that was reported lost."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0060"
down_revision: str | None = "0059"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("factor_ends_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("factor_end", "users", "factor_ends_at IS NULL OR totp_secret IS NOT NULL")
    op.create_index(
        "ix_users_factor_ends_at",
        "users",
        ["factor_ends_at"],
        postgresql_where=sa.text("factor_ends_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_column("users", "factor_ends_at")
