"""Incidents of days on which strangers had many mails sent; no search by the beginning of an address any more."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0054"
down_revision: str | None = "0053"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new check allows more reasons: rows of the release before pass"

_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "gone", "home", "retitled", "silent",
    "provider_down", "old_queue", "quota", "sms_ceiling", "failures_rising", "fraud_warning", "false_alarms",
    "prometheus_alarm", "table_growth", "horizon",
)  # fmt: skip
_NEW = "mail_ceiling"
_REASON = "ck_incidents_reason"


def upgrade() -> None:
    _limit_reasons((*_REASONS, _NEW))
    op.drop_index("ix_users_email_prefix", table_name="users")


def downgrade() -> None:
    op.create_index(
        "ix_users_email_prefix",
        "users",
        [sa.literal_column("lower(email)").label("folded")],
        postgresql_ops={"folded": "text_pattern_ops"},
    )
    op.execute(sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason") == _NEW))
    _limit_reasons(_REASONS)


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
