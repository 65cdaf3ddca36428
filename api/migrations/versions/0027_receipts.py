"""Receipts of providers, messages that none came for, and how many parts an SMS had."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0027"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new checks allow one state more: rows of the release before pass"

_STATES = ("pending", "sending", "sent", "delivered", "bounced", "failed", "expired", "skipped")
_STATE, _ACCEPTED = "ck_notifications_state", "ck_notifications_accepted"
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("notifications", sa.Column("receipt_due_at", _INSTANT))
    op.add_column("notifications", sa.Column("segments", sa.SmallInteger()))
    op.create_check_constraint(op.f("ck_notifications_segments"), "notifications", "segments >= 0")
    op.create_index(
        "ix_notifications_receipt_due_at",
        "notifications",
        ["receipt_due_at"],
        postgresql_where=sa.text("state = 'sent' AND receipt_due_at IS NOT NULL"),
    )
    _limit_states((*_STATES, "no_receipt"), "'sent', 'delivered', 'no_receipt'")
    _create_provider_events()


def downgrade() -> None:
    op.drop_table("provider_events")
    op.execute("UPDATE notifications SET state = 'sent' WHERE state = 'no_receipt'")
    _limit_states(_STATES, "'sent', 'delivered'")
    op.drop_index("ix_notifications_receipt_due_at", "notifications")
    op.drop_constraint(op.f("ck_notifications_segments"), "notifications", type_="check")
    op.drop_column("notifications", "segments")
    op.drop_column("notifications", "receipt_due_at")


def _limit_states(states: Sequence[str], accepted: str) -> None:
    for name in (_STATE, _ACCEPTED):
        op.drop_constraint(op.f(name), "notifications", type_="check")
    op.create_check_constraint(op.f(_STATE), "notifications", sa.column("state").in_(states))
    op.create_check_constraint(
        op.f(_ACCEPTED), "notifications", f"(state NOT IN ({accepted})) OR accepted_at IS NOT NULL"
    )


def _create_provider_events() -> None:
    kind = sa.Enum(
        "delivered", "refused", "bounced", "complained", "stopped",
        name="kind", native_enum=False, create_constraint=True, length=24,
    )  # fmt: skip
    op.create_table(
        "provider_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text()),
        sa.Column("notification_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("contact_id", sa.Uuid()),
        sa.Column("kind", kind, nullable=False),
        sa.Column("code", sa.Text()),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("applied_at", _INSTANT),
        sa.Column("next_attempt_at", _INSTANT),
        sa.CheckConstraint(
            "length(event_id) BETWEEN 1 AND 255 AND length(message_id) <= 255 AND length(code) <= 80",
            name=op.f("ck_provider_events_length"),
        ),
        sa.CheckConstraint(
            "(applied_at IS NULL) = (next_attempt_at IS NOT NULL)", name=op.f("ck_provider_events_applied")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_provider_events_contact_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_events")),
        sa.UniqueConstraint("provider", "event_id", name=op.f("uq_provider_events_provider_event_id")),
    )
    op.create_index("ix_provider_events_contact_id", "provider_events", ["contact_id"])
    op.create_index("ix_provider_events_received_at", "provider_events", ["received_at"])
    op.create_index(
        "ix_provider_events_next_attempt_at",
        "provider_events",
        ["next_attempt_at"],
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
