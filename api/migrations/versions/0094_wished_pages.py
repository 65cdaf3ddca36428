"""Registrations and accounts: where a wish goes on; registrations: the code of the mail that confirms them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0094"
down_revision: str | None = "0093"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_CODE = ("code_hash", "code_sent_at", "wrong_tries")


def upgrade() -> None:
    for table in ("registrations", "users"):
        op.add_column(table, sa.Column("wished_page", sa.Text(), nullable=True))
    op.add_column("registrations", sa.Column("code_hash", sa.LargeBinary(), nullable=True))
    op.add_column("registrations", sa.Column("code_sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("registrations", sa.Column("wrong_tries", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in _CODE:
        op.drop_column("registrations", name)
    for table in ("registrations", "users"):
        op.drop_column(table, "wished_page")
