"""A mail that the law owes goes to an address, also while it has an account."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0071"
down_revision: str | None = "0070"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new check allows more: rows of the release before pass"

_CHECK, _INDEX = "ck_notifications_recipient", "ix_notifications_address"


def upgrade() -> None:
    _check("user_id IS NOT NULL OR address IS NOT NULL")
    op.create_index(
        _INDEX, "notifications", ["id"], postgresql_where=sa.text("user_id IS NULL AND address <> ''")
    )


def downgrade() -> None:
    op.drop_index(_INDEX, table_name="notifications")
    op.execute(sa.text("UPDATE notifications SET address = NULL WHERE user_id IS NOT NULL"))
    _check("(user_id IS NULL) = (address IS NOT NULL)")


def _check(condition: str) -> None:
    op.drop_constraint(op.f(_CHECK), "notifications", type_="check")
    op.create_check_constraint(op.f(_CHECK), "notifications", condition)
