"""Consents to be told in doubt, and to be asked to look: which text, when given and withdrawn."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0100"
down_revision: str | None = "0099"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("report_consent", JSONB()))


def downgrade() -> None:
    op.drop_column("users", "report_consent")
