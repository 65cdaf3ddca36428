"""A match has its slots, and one id with the messages that tell of it: two tables less."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0077"
down_revision: str | None = "0076"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "nothing is installed: the tables go together with the code that used them"

_ONCE = "uq_matches_alert_id_detection_id_limits_version"


def upgrade() -> None:
    op.drop_table("notification_matches")
    op.drop_table("match_slots")
    op.execute(sa.text("DELETE FROM matches"))
    op.add_column("matches", sa.Column("announcement_id", sa.Uuid(), nullable=False))
    op.add_column("matches", sa.Column("slots", postgresql.INT8MULTIRANGE(), nullable=False))
    op.drop_constraint(op.f(_ONCE), "matches", type_="unique")
    op.create_index("ix_matches_alert_id_detection_id", "matches", ["alert_id", "detection_id"])
    op.create_index("ix_matches_announcement_id", "matches", ["announcement_id"])
    op.add_column("notifications", sa.Column("announcement_id", sa.Uuid()))
    op.create_index(
        "ix_notifications_announcement_id",
        "notifications",
        ["announcement_id"],
        postgresql_where=sa.text("announcement_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_announcement_id", table_name="notifications")
    op.drop_column("notifications", "announcement_id")
    op.drop_index("ix_matches_announcement_id", table_name="matches")
    op.drop_index("ix_matches_alert_id_detection_id", table_name="matches")
    op.execute(sa.text("DELETE FROM matches"))
    op.create_unique_constraint(op.f(_ONCE), "matches", ["alert_id", "detection_id", "limits_version"])
    op.drop_column("matches", "slots")
    op.drop_column("matches", "announcement_id")
    op.create_table(
        "match_slots",
        sa.Column("match_id", sa.Uuid(), nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("slots", postgresql.INT8MULTIRANGE()),
        sa.ForeignKeyConstraint(
            ["match_id"], ["matches.id"], name=op.f("fk_match_slots_match_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["slot_id"], ["slots.id"], name=op.f("fk_match_slots_slot_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("match_id", "slot_id", name=op.f("pk_match_slots")),
    )
    op.create_index("ix_match_slots_slot_id", "match_slots", ["slot_id"])
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
    op.create_index("ix_notification_matches_match_id", "notification_matches", ["match_id"])
