"""Messages keep the title and the text that they left with."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0072"
down_revision: str | None = "0071"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = ("title", "text")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("notifications", sa.Column(name, sa.Text()))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("notifications", name)
