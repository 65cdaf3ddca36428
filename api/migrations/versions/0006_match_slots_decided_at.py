"""When an alert was told of each slot: a match that catches up tells of more, later."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "match_slots",
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    # What was told before speaks for all the slots of its match, as it did then.
    op.execute(
        "UPDATE match_slots s SET decided_at = coalesce((SELECT max(n.matched_at) FROM notification_matches j"
        " JOIN notifications n ON n.id = j.notification_id WHERE j.match_id = m.id), m.decided_at)"
        " FROM matches m WHERE m.id = s.match_id"
    )


def downgrade() -> None:
    op.drop_column("match_slots", "decided_at")
