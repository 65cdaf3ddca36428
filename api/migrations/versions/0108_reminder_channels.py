"""Channels that people choose for the reminders of an appointment."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0108"
down_revision: str | None = "0107"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
_CHANNELS = "'email', 'sms', 'telegram', 'voice', 'push'"


def upgrade() -> None:
    for name in ("first_channel", "last_channel"):
        op.add_column("appointments", sa.Column(name, sa.String(24)))
        op.create_check_constraint(
            op.f(f"ck_appointments_{name}"), "appointments", f"{name} IN ({_CHANNELS})"
        )


def downgrade() -> None:
    for name in ("first_channel", "last_channel"):
        op.drop_column("appointments", name)
