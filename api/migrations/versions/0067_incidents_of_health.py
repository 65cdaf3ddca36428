"""Incidents of what the list of health checks finds: parts of health, and messages that do not arrive."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0067"
down_revision: str | None = "0066"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new check allows more reasons: rows of the release before pass"

_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "gone", "home", "retitled", "silent", "horizon",
    "provider_down", "old_queue", "quota", "sms_ceiling", "mail_ceiling", "failures_rising", "fraud_warning",
    "false_alarms", "table_growth", "self_check",
)  # fmt: skip
_NEW = ("part_down", "part_degraded", "low_delivery", "spam_reports", "dead_letters")
_REASON = "ck_incidents_reason"


def upgrade() -> None:
    _limit_reasons((*_REASONS, *_NEW))


def downgrade() -> None:
    op.execute(sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason").in_(_NEW)))
    _limit_reasons(_REASONS)


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
