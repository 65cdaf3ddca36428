"""Openings of pages: the network, for a report in a chat, which has none of its own."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "0098"
down_revision: str | None = "0097"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    networks: sa.Column[list[bytes]] = sa.Column(
        "networks", ARRAY(sa.LargeBinary()), nullable=False, server_default="{}"
    )
    op.add_column("page_openings", networks)


def downgrade() -> None:
    op.drop_column("page_openings", "networks")
