"""Answers of users to slot alerts, one per match."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0040"
down_revision: str | None = "0038"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "answers",
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.String(24), nullable=False),
        sa.Column("answered_at", instant, nullable=False),
        sa.Column("changed_at", instant),
        sa.Column("via", sa.String(24), nullable=False),
        sa.CheckConstraint(
            "value IN ('found', 'too_late', 'nothing_there', 'stopped')", name=op.f("ck_answers_value")
        ),
        sa.CheckConstraint("via IN ('email', 'telegram', 'api')", name=op.f("ck_answers_via")),
        sa.CheckConstraint("changed_at >= answered_at", name=op.f("ck_answers_changed_after")),
        sa.ForeignKeyConstraint(
            ["match_id"], ["matches.id"], name=op.f("fk_answers_match_id_matches"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("match_id", name=op.f("pk_answers")),
    )
    op.create_index("ix_answers_answered_at", "answers", ["answered_at"])


def downgrade() -> None:
    op.drop_table("answers")
