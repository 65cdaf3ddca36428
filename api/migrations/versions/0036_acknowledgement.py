"""Alarms of incidents: their message, their repetition and their acknowledgement; incidents of our own operations."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0036"
down_revision: str | None = "0035"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new check allows more reasons: rows of the release before pass"

_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "gone", "home", "retitled", "silent",
)  # fmt: skip
_OPERATIONS = (
    "provider_down", "old_queue", "quota", "sms_ceiling", "failures_rising", "fraud_warning",
)  # fmt: skip
_REASON, _ALARM, _INDEX = "ck_incidents_reason", "ck_incidents_alarm", "ix_incidents_unanswered"
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("incidents", sa.Column("alarm_kind", sa.Text()))
    op.add_column("incidents", sa.Column("alarm_params", postgresql.JSONB()))
    op.add_column("incidents", sa.Column("repeated_at", _INSTANT))
    op.add_column("incidents", sa.Column("acknowledged_at", _INSTANT))
    op.create_check_constraint(op.f(_ALARM), "incidents", "(alarm_kind IS NULL) = (alarm_params IS NULL)")
    op.create_index(
        _INDEX,
        "incidents",
        ["told_at"],
        postgresql_where=sa.text(
            "alarm_kind IS NOT NULL AND repeated_at IS NULL AND acknowledged_at IS NULL"
        ),
    )
    _limit_reasons((*_REASONS, *_OPERATIONS))


def downgrade() -> None:
    op.execute(
        sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason").in_(_OPERATIONS))
    )
    _limit_reasons(_REASONS)
    op.drop_index(_INDEX, "incidents")
    op.drop_constraint(op.f(_ALARM), "incidents", type_="check")
    for name in ("acknowledged_at", "repeated_at", "alarm_params", "alarm_kind"):
        op.drop_column("incidents", name)


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
