"""One row of `match_slots` for all slots that were told together: a crowd times thousands of slots was millions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("match_slots", sa.Column("slots", postgresql.INT8MULTIRANGE(), nullable=True))


def downgrade() -> None:
    op.execute(
        "INSERT INTO match_slots (match_id, slot_id, decided_at)"
        " SELECT match_id, generate_series(lower(span), upper(span) - 1), decided_at"
        " FROM match_slots, unnest(slots) AS span ON CONFLICT DO NOTHING"
    )
    op.drop_column("match_slots", "slots")
