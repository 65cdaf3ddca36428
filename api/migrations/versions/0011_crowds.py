"""Detections that many wait for are matched in parts; a notification that ended says when."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ENDED = "(state NOT IN ('failed', 'expired', 'skipped')) OR failed_at IS NOT NULL"


def upgrade() -> None:
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
    op.execute(
        "UPDATE notifications SET failed_at = coalesce(accepted_at, next_attempt_at, now())"
        " WHERE state IN ('failed', 'expired', 'skipped') AND failed_at IS NULL"
    )
    op.create_check_constraint(op.f("ck_notifications_ended"), "notifications", _ENDED)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_notifications_ended"), "notifications", type_="check")
    op.drop_table("match_parts")
