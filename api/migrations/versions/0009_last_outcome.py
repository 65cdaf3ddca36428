"""How a desk's last check ended: an emptied Redis must not hurry one that is to be left alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OUTCOMES = (
    "slots",
    "no_slots",
    "captcha",
    "blocked",
    "rate_limited",
    "overloaded",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
)


def upgrade() -> None:
    words = ", ".join(f"'{outcome}'" for outcome in _OUTCOMES)
    op.add_column("desks", sa.Column("last_outcome", sa.String(24), nullable=True))
    op.create_check_constraint(op.f("ck_desks_last_outcome"), "desks", f"last_outcome IN ({words})")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_desks_last_outcome"), "desks")
    op.drop_column("desks", "last_outcome")
