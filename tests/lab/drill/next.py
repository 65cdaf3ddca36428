"""The migration of the made next version: it expands, so that the version before works on its tables."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "HEAD"  # images.py fills in the shipped one


def upgrade() -> None:
    """Add a column for notes."""
    op.add_column("alerts", sa.Column("drill_note", sa.Text()))
