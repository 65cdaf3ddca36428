"""Codes by SMS outlive their account for the day in which limits count them: a deletion lifted the limits."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0062"
down_revision: str | None = "0061"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CONTRACTS = "the new key allows more: a deletion keeps the rows that it removed before"

_KEY = "fk_phone_codes_user_id"


def upgrade() -> None:
    op.alter_column("phone_codes", "user_id", existing_type=sa.Uuid(), nullable=True)
    _replace_key("SET NULL")


def downgrade() -> None:
    op.execute("DELETE FROM phone_codes WHERE user_id IS NULL")
    op.alter_column("phone_codes", "user_id", existing_type=sa.Uuid(), nullable=False)
    _replace_key("CASCADE")


def _replace_key(ondelete: str) -> None:
    op.drop_constraint(op.f(_KEY), "phone_codes")
    op.create_foreign_key(op.f(_KEY), "phone_codes", "users", ["user_id"], ["id"], ondelete=ondelete)
