"""Times of messages that a user chose: quiet hours, and the rhythm of slot alerts."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0035"
down_revision: str | None = "0034"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    rhythm = sa.Enum(
        "at_once", "hourly", "daily", name="slot_rhythm", native_enum=False, create_constraint=True, length=24
    )
    op.add_column("users", sa.Column("slot_rhythm", rhythm, server_default="at_once", nullable=False))
    op.add_column("users", sa.Column("digest_at", sa.Time(), server_default="07:00", nullable=False))
    op.add_column("users", sa.Column("quiet_from", sa.Time()))
    op.add_column("users", sa.Column("quiet_until", sa.Time()))
    op.add_column("users", sa.Column("quiet_slots", sa.Boolean(), server_default=sa.false(), nullable=False))
    both = "(quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from <> quiet_until"
    op.create_check_constraint(op.f("ck_users_quiet_hours"), "users", both)


def downgrade() -> None:
    op.drop_constraint(op.f("ck_users_quiet_hours"), "users")
    for column in ("quiet_slots", "quiet_until", "quiet_from", "digest_at", "slot_rhythm"):
        op.drop_column("users", column)
