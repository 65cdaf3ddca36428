"""Runs of background jobs, days of checks, and when users and alerts were changed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CHANGED = ("users", "alerts")


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "result",
            sa.Enum("done", "failed", name="result", native_enum=False, create_constraint=True, length=24),
            nullable=True,
        ),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nudges", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_nudge_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (result IS NULL)", name=op.f("ck_job_runs_ended_with_result")
        ),
        sa.CheckConstraint("(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_job_runs_lease")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_runs")),
        sa.UniqueConstraint("job", "due_at", name=op.f("uq_job_runs_job_due_at")),
    )
    op.create_index(
        "uq_job_runs_open", "job_runs", ["job"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_job_runs_due_at", "job_runs", ["due_at"], unique=False)
    op.create_table(
        "check_days",
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("proven", sa.Integer(), nullable=False),
        sa.Column("outcomes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("achieved_seconds", sa.Float(), nullable=True),
        sa.Column("promised_seconds", sa.Float(), nullable=True),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "checks >= proven AND proven >= 0 AND openings >= 0", name=op.f("ck_check_days_counts")
        ),
        sa.PrimaryKeyConstraint("desk_id", "day", name=op.f("pk_check_days")),
    )
    op.create_index("ix_check_days_day", "check_days", ["day"], unique=False)
    for table in _CHANGED:
        column = sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        )
        op.add_column(table, column)
        rows = sa.table(table, sa.column("updated_at"), sa.column("created_at"))
        op.execute(sa.update(rows).values(updated_at=rows.c.created_at))


def downgrade() -> None:
    for table in _CHANGED:
        op.drop_column(table, "updated_at")
    op.drop_table("check_days")
    op.drop_table("job_runs")
