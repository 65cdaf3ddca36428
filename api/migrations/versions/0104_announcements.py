"""Announcements of operators."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0104"
down_revision: str | None = "0103"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
_RUNNING = "started_at IS NOT NULL AND done_at IS NULL AND stopped_at IS NULL"


def _time(name: str, *, null: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("is_news", sa.Boolean(), nullable=False),
        sa.Column("plan", sa.Text()),
        sa.Column("place", sa.Text()),
        sa.Column("texts", JSONB(), nullable=False),
        _time("created_at", null=False),
        _time("started_at"),
        sa.Column("written_to", sa.Uuid()),
        sa.Column("written", sa.Integer(), nullable=False, server_default="0"),
        _time("done_at"),
        _time("stopped_at"),
        sa.CheckConstraint("plan IS NULL OR place IS NULL", name=op.f("ck_announcements_audience")),
    )
    op.create_index(
        "ix_announcements_running", "announcements", ["started_at"], postgresql_where=sa.text(_RUNNING)
    )


def downgrade() -> None:
    op.drop_table("announcements")
