"""No incidents of Prometheus' alarms any more: Alertmanager tells them itself."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0065"
down_revision: str | None = "0064"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "only Alertmanager's calls wrote this reason, and the release before is installed nowhere"

_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "gone", "home", "retitled", "silent", "horizon",
    "provider_down", "old_queue", "quota", "sms_ceiling", "mail_ceiling", "failures_rising", "fraud_warning",
    "false_alarms", "table_growth",
)  # fmt: skip
_OLD = "prometheus_alarm"
_REASON = "ck_incidents_reason"


def upgrade() -> None:
    op.execute(sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason") == _OLD))
    _limit_reasons(_REASONS)


def downgrade() -> None:
    _limit_reasons((*_REASONS, _OLD))


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
