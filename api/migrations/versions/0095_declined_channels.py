"""Users: the channels that they do not want to set up now."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0095"
down_revision: str | None = "0094"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    declined: sa.Column[list[str]] = sa.Column(
        "declined_channels", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"
    )
    op.add_column("users", declined)


def downgrade() -> None:
    op.drop_column("users", "declined_channels")
