"""No table of machines that take no work: a second machine is a second scrapyd, which is stopped."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0064"
down_revision: str | None = "0063"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CONTRACTS = "Nothing is installed: the table goes together with the code that used it."


def upgrade() -> None:
    op.drop_table("drained_nodes")


def downgrade() -> None:
    op.create_table(
        "drained_nodes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("drained_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_drained_nodes")),
    )
