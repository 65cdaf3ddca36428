"""Two signs of a moved page: no site links it, it is silent for long. No memory of titles and of desks' own pages."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0076"
down_revision: str | None = "0075"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "Nothing is installed: the table and the column go together with the code that used them."

_GONE = ("gone", "home", "retitled")
_DRIFTS = ("unlinked", "silent")
_INCIDENTS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "silent", "horizon",
    "provider_down", "old_queue", "quota", "sms_ceiling", "mail_ceiling", "failures_rising", "fraud_warning",
    "false_alarms", "table_growth", "self_check",
    "part_down", "part_degraded", "low_delivery", "spam_reports", "dead_letters",
)  # fmt: skip


def upgrade() -> None:
    op.drop_table("desk_landings")
    op.drop_column("desk_links", "page_title")
    for table, reasons in (("drifts", _DRIFTS), ("incidents", _INCIDENTS)):
        op.execute(sa.delete(sa.table(table, sa.column("reason"))).where(sa.column("reason").in_(_GONE)))
        _limit_reasons(table, reasons)


def downgrade() -> None:
    _limit_reasons("incidents", (*_INCIDENTS, *_GONE))
    _limit_reasons("drifts", (*_DRIFTS, *_GONE))
    op.add_column("desk_links", sa.Column("page_title", sa.Text(), server_default="", nullable=False))
    op.alter_column("desk_links", "page_title", server_default=None)
    op.create_table(
        "desk_landings",
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("desk_id", name=op.f("pk_desk_landings")),
    )


def _limit_reasons(table: str, reasons: Sequence[str]) -> None:
    name = op.f(f"ck_{table}_reason")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, sa.column("reason").in_(reasons))
