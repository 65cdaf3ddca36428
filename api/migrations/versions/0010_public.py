"""Appointments, requests to support, messages to addresses without an account, indexes of pages and statistics."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "appointments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("dropped_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("at IS NOT NULL OR place IS NOT NULL", name=op.f("ck_appointments_something")),
        sa.CheckConstraint("length(place) BETWEEN 1 AND 200", name=op.f("ck_appointments_place_length")),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_appointments_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
        sa.UniqueConstraint("alert_id", name=op.f("uq_appointments_alert_id")),
    )
    op.create_index("ix_appointments_dropped_at", "appointments", ["dropped_at"], unique=False)
    op.create_table(
        "support_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(email) <= 254", name=op.f("ck_support_requests_email_length")),
        sa.CheckConstraint(
            "length(message) BETWEEN 1 AND 5000", name=op.f("ck_support_requests_message_length")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_support_requests_user_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_requests")),
    )
    op.create_index("ix_support_requests_user_id", "support_requests", ["user_id"], unique=False)
    op.create_index(
        "ix_support_requests_email_created_at",
        "support_requests",
        [sa.text("lower(email)"), "created_at"],
        unique=False,
    )
    op.alter_column("notifications", "user_id", nullable=True)
    op.add_column("notifications", sa.Column("address", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_notifications_recipient"), "notifications", "(user_id IS NULL) = (address IS NOT NULL)"
    )
    op.create_index(
        "ix_alerts_user_id_id",
        "alerts",
        ["user_id", "id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_detections_seen_at",
        "detections",
        ["seen_at"],
        unique=False,
        postgresql_include=["prefecture_id"],
    )


def downgrade() -> None:
    op.drop_index("ix_detections_seen_at", "detections")
    op.drop_index("ix_alerts_user_id_id", "alerts")
    op.drop_constraint(op.f("ck_notifications_recipient"), "notifications")
    op.execute("DELETE FROM notifications WHERE user_id IS NULL")
    op.drop_column("notifications", "address")
    op.alter_column("notifications", "user_id", nullable=False)
    op.drop_table("support_requests")
    op.drop_table("appointments")
