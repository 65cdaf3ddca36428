"""Calls: the alerts and hours that want them, the channel of their messages, the reports of Twilio, their cost."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0041"
down_revision: str | None = "0039"  # which was merged first
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new checks allow more words: rows of the release before pass"

_CHANNELS = ("email", "sms", "telegram")
_KINDS = ("delivered", "refused", "bounced", "complained", "stopped")
_OF_CALLS = ("key", "ended")
_VOICE = "voice"
_WITH_CHANNEL = ("contacts", "notifications", "delivery_days", "delivery_figures")
_SMS_INDEX, _PAID_INDEX = "ix_notifications_sms_accepted_at", "ix_notifications_paid_accepted_at"


def upgrade() -> None:
    op.add_column(
        "alerts", sa.Column("voice_enabled", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    for name, hour in (("voice_from", "08:00"), ("voice_to", "22:00")):
        op.add_column("alerts", sa.Column(name, sa.Time(), server_default=hour, nullable=False))
    op.create_check_constraint(op.f("ck_alerts_voice_hours"), "alerts", "voice_from <> voice_to")
    op.create_index(
        "ix_alerts_voice",
        "alerts",
        ["id"],
        postgresql_include=["user_id"],
        postgresql_where=sa.text("voice_enabled AND enabled AND closed_at IS NULL"),
    )
    for table in _WITH_CHANNEL:
        _limit(table, "channel", (*_CHANNELS, _VOICE))
    _limit("provider_events", "kind", (*_KINDS, *_OF_CALLS))
    op.drop_index(_SMS_INDEX, "notifications")
    _index_costs(_PAID_INDEX, "channel IN ('sms', 'voice')")


def downgrade() -> None:
    op.drop_index(_PAID_INDEX, "notifications")
    _index_costs(_SMS_INDEX, "channel = 'sms'")
    _delete("provider_events", "kind", _OF_CALLS)
    _limit("provider_events", "kind", _KINDS)
    for table in _WITH_CHANNEL:
        _delete(table, "channel", (_VOICE,))
        _limit(table, "channel", _CHANNELS)
    op.drop_index("ix_alerts_voice", "alerts")
    op.drop_constraint(op.f("ck_alerts_voice_hours"), "alerts", type_="check")
    for name in ("voice_to", "voice_from", "voice_enabled"):
        op.drop_column("alerts", name)


def _limit(table: str, column: str, words: Sequence[str]) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, sa.column(column).in_(words))


def _delete(table: str, column: str, words: Sequence[str]) -> None:
    op.execute(sa.delete(sa.table(table, sa.column(column))).where(sa.column(column).in_(words)))


def _index_costs(name: str, channels: str) -> None:
    op.create_index(
        name,
        "notifications",
        ["accepted_at"],
        postgresql_where=sa.text(f"{channels} AND accepted_at IS NOT NULL"),
        postgresql_include=["cost"],
    )
