"""The mailbox that an account left, which may take it back for a week."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0058"
down_revision: str | None = "0057"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WHOLE = "(former_address IS NULL) = (moved_at IS NULL) AND (former_address IS NULL OR channel = 'email')"


def upgrade() -> None:
    op.add_column("contacts", sa.Column("former_address", sa.Text(), nullable=True))
    op.add_column("contacts", sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint("former_address", "contacts", _WHOLE)


def downgrade() -> None:
    op.drop_column("contacts", "moved_at")
    op.drop_column("contacts", "former_address")
