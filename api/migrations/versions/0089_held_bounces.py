"""Bounces that are held because too many contacts would end at once, and their alarm."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0089"
down_revision: str | None = "0088"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NEW = "held_bounces"
_REASONS = [
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "silent", "horizon", "part_down", "part_degraded", "provider_down", "old_queue", "quota",
    "low_delivery", "spam_reports", "dead_letters", _NEW, "sms_ceiling", "mail_ceiling", "failures_rising",
    "fraud_warning", "false_alarms", "self_check",
]  # fmt: skip


def upgrade() -> None:
    op.add_column("provider_events", sa.Column("held_at", sa.DateTime(timezone=True)))
    _allow(_REASONS)


def downgrade() -> None:
    _allow([each for each in _REASONS if each != _NEW])
    op.drop_column("provider_events", "held_at")


def _allow(reasons: Sequence[str]) -> None:
    name = op.f("ck_incidents_reason")
    op.drop_constraint(name, "incidents", type_="check")
    op.create_check_constraint(name, "incidents", sa.column("reason", sa.String).in_(reasons))
