"""Indexes that answer matching by themselves: of most alerts that wait at a desk no row is read any more."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _targets(["alert_id", "id"])
    op.create_index(
        "ix_alerts_waiting",
        "alerts",
        ["id"],
        postgresql_include=["user_id", "limits_version", "language"],
        postgresql_where=sa.text("closed_at IS NULL AND enabled"),
    )


def downgrade() -> None:
    op.drop_index("ix_alerts_waiting", "alerts")
    _targets([])


def _targets(included: Sequence[str]) -> None:
    """Make both indexes of targets anew, with these columns beside their own."""
    for name, columns, where in (
        ("ix_alert_targets_prefecture_id_procedure", ["prefecture_id", "procedure"], "desk_id IS NULL"),
        ("ix_alert_targets_desk_id", ["desk_id"], "desk_id IS NOT NULL"),
    ):
        op.drop_index(name, "alert_targets")
        op.create_index(
            name, "alert_targets", columns, postgresql_include=included, postgresql_where=sa.text(where)
        )
