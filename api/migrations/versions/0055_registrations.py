"""What a registration says stays with it until its mail is confirmed: language, number, and a wished alert."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0055"
down_revision: str | None = "0054"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("registrations", sa.Column("language", sa.Text(), nullable=False, server_default="fr"))
    op.add_column("registrations", sa.Column("phone", sa.Text(), nullable=True))
    op.add_column("registrations", sa.Column("alert_wish", postgresql.JSONB(), nullable=True))
    op.create_check_constraint("phone_encrypted", "registrations", "starts_with(phone, 'gAAAAA')")


def downgrade() -> None:
    for column in ("alert_wish", "phone", "language"):
        op.drop_column("registrations", column)
