"""One more reason of a refund: an order that another one had overtaken when it was paid."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_BEFORE = ("operator", "withdrawal", "not_watched", "outage", "cancelled", "no_account", "external")
_NAME = "ck_refunds_reason"


def upgrade() -> None:
    _limit(*_BEFORE, "duplicate")


def downgrade() -> None:
    _limit(*_BEFORE)


def _limit(*words: str) -> None:
    op.drop_constraint(op.f(_NAME), "refunds", type_="check")
    op.create_check_constraint(op.f(_NAME), "refunds", sa.column("reason").in_(words))
