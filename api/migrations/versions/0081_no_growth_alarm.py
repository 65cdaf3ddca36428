"""No incidents of tables that grow without a rule: the rules delete, and a test asks for one for each table."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0081"
down_revision: str | None = "0080"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "Nothing is installed: no program of the release before writes the reason."

_OLD, _REASON = "table_growth", "ck_incidents_reason"
_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "silent", "horizon",
    "provider_down", "old_queue", "quota", "sms_ceiling", "mail_ceiling", "failures_rising", "fraud_warning",
    "false_alarms", "self_check",
    "part_down", "part_degraded", "low_delivery", "spam_reports", "dead_letters",
)  # fmt: skip


def upgrade() -> None:
    op.execute(sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason") == _OLD))
    _limit_reasons(_REASONS)


def downgrade() -> None:
    _limit_reasons((*_REASONS, _OLD))


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
