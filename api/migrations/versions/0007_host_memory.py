"""Why a desk was not watched, in fixed words; the kill switch of a host; what a desk must remember to be proven."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_REASONS = (
    "captcha",
    "blocked",
    "rate_limited",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
    "stopped",
)


def upgrade() -> None:
    words = ", ".join(f"'{reason}'" for reason in _REASONS)
    op.alter_column("outages", "reason", type_=sa.String(24))  # nobody has written a row yet
    op.create_check_constraint(op.f("ck_outages_reason"), "outages", f"reason IN ({words})")
    op.add_column("hosts", sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("hosts", sa.Column("stop_reason", sa.Text(), nullable=True))
    op.add_column("hosts", sa.Column("calm_since", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_hosts_stop"), "hosts", "(stopped_at IS NULL) = (stop_reason IS NULL)")
    op.add_column("desks", sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("desks", sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("desks", sa.Column("coverage", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    for column in ("coverage", "whole_at", "refused_at"):
        op.drop_column("desks", column)
    op.drop_constraint(op.f("ck_hosts_stop"), "hosts")
    for column in ("calm_since", "stop_reason", "stopped_at"):
        op.drop_column("hosts", column)
    op.drop_constraint(op.f("ck_outages_reason"), "outages")
    op.alter_column("outages", "reason", type_=sa.Text())
