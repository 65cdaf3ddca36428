"""Matches, parts of matching, and notifications."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "matches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("detection_id", sa.Uuid(), nullable=False),
        sa.Column("limits_version", sa.Integer(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_matches_alert_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["detection_id"], ["detections.id"], name=op.f("fk_matches_detection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matches")),
        sa.UniqueConstraint(
            "alert_id",
            "detection_id",
            "limits_version",
            name=op.f("uq_matches_alert_id_detection_id_limits_version"),
        ),
    )
    op.create_index("ix_matches_alert_id_decided_at", "matches", ["alert_id", "decided_at"], unique=False)
    op.create_index("ix_matches_detection_id", "matches", ["detection_id"], unique=False)
    op.create_table(
        "match_slots",
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("slots", postgresql.INT8MULTIRANGE(), nullable=True),
        sa.ForeignKeyConstraint(
            ["match_id"], ["matches.id"], name=op.f("fk_match_slots_match_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slots.id"], name=op.f("fk_match_slots_slot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("match_id", "slot_id", name=op.f("pk_match_slots")),
    )
    op.create_index("ix_match_slots_slot_id", "match_slots", ["slot_id"], unique=False)
    op.create_table(
        "match_parts",
        sa.Column("detection_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("alert_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.CheckConstraint("cardinality(alert_ids) > 0", name=op.f("ck_match_parts_alert_ids")),
        sa.ForeignKeyConstraint(
            ["detection_id"], ["detections.id"], name=op.f("fk_match_parts_detection_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("detection_id", "number", name=op.f("pk_match_parts")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column(
            "channel",
            sa.Enum(
                "email",
                "sms",
                "telegram",
                name="channel",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), server_default="fr", nullable=False),
        sa.Column(
            "params", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column(
            "priority",
            sa.Enum(
                "critical",
                "immediate",
                "scheduled",
                "bulk",
                name="priority",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "sending",
                "sent",
                "delivered",
                "bounced",
                "failed",
                "expired",
                "skipped",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_nudge_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("nudges", sa.Integer(), server_default="0", nullable=False),
        sa.Column("provider", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("cost", sa.Numeric(precision=8, scale=5), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unknown_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "(state = 'sending') = (lease_token IS NOT NULL AND lease_until IS NOT NULL)",
            name=op.f("ck_notifications_lease"),
        ),
        sa.CheckConstraint(
            "(state NOT IN ('failed', 'expired', 'skipped', 'bounced')) OR reason IS NOT NULL",
            name=op.f("ck_notifications_reason"),
        ),
        sa.CheckConstraint(
            "(state NOT IN ('sent', 'delivered')) OR accepted_at IS NOT NULL",
            name=op.f("ck_notifications_accepted"),
        ),
        sa.CheckConstraint(
            "(state NOT IN ('failed', 'expired', 'skipped')) OR failed_at IS NOT NULL",
            name=op.f("ck_notifications_ended"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_notifications_attempts")),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_notifications_contact_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_notifications_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notifications_dedupe_key")),
    )
    op.create_index(
        "ix_notifications_contact_id_state", "notifications", ["contact_id", "state"], unique=False
    )
    op.create_index(
        "ix_notifications_due",
        "notifications",
        ["next_nudge_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
    )
    op.create_index(
        "ix_notifications_failed",
        "notifications",
        ["failed_at"],
        unique=False,
        postgresql_where=sa.text("state = 'failed'"),
    )
    op.create_index(
        "ix_notifications_provider_id",
        "notifications",
        ["provider", "provider_id"],
        unique=False,
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )
    op.create_index(
        "ix_notifications_user_id_created_at", "notifications", ["user_id", "created_at"], unique=False
    )
    op.create_table(
        "notification_matches",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["match_id"], ["matches.id"], name=op.f("fk_notification_matches_match_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_notification_matches_notification_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", "match_id", name=op.f("pk_notification_matches")),
    )
    op.create_index("ix_notification_matches_match_id", "notification_matches", ["match_id"], unique=False)


def downgrade() -> None:
    op.drop_table("notification_matches")
    op.drop_table("notifications")
    op.drop_table("match_parts")
    op.drop_table("match_slots")
    op.drop_table("matches")
