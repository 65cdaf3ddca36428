"""An outage is of its desk's host: no more hosts of embedded pages."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0078"
down_revision: str | None = "0077"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "nothing is installed: no program of the release before reads the column"


def upgrade() -> None:
    op.drop_column("outages", "host")


def downgrade() -> None:
    op.add_column("outages", sa.Column("host", sa.Text()))
