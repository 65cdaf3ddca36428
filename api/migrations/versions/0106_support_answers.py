"""Answers to requests to support: the language, what an operator answered, and since when it is dealt with."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0106"
down_revision: str | None = "0105"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("support_requests", sa.Column("language", sa.Text()))
    op.add_column("support_requests", sa.Column("answer", sa.Text()))
    op.add_column("support_requests", sa.Column("ended_at", sa.DateTime(timezone=True)))
    op.create_check_constraint("answer_length", "support_requests", "length(answer) BETWEEN 1 AND 5000")


def downgrade() -> None:
    for name in ("language", "answer", "ended_at"):
        op.drop_column("support_requests", name)
