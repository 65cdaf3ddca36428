"""Which renewal's invoice a credit for time without watching lowered: until then it can go back as money."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0057"
down_revision: str | None = "0056"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("watch_credits", sa.Column("borne_by_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_watch_credits_borne_by_id_payments"), "watch_credits", "payments", ["borne_by_id"], ["id"]
    )
    op.create_index(op.f("ix_watch_credits_borne_by_id"), "watch_credits", ["borne_by_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_watch_credits_borne_by_id"), "watch_credits")
    op.drop_column("watch_credits", "borne_by_id")
