"""The opening of a reported detection, second tellings, the detection that a report made, and misses of trust."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0111"
down_revision: str | None = "0110"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = ["shared", "disproved", "denied", "denied_widely"]
_LINKS = (("detections", "opening_id"), ("reports", "detection_id"))


def upgrade() -> None:
    for table, column in _LINKS:
        op.add_column(table, sa.Column(column, sa.Uuid()))
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], postgresql_where=where)
    op.add_column(
        "detections", sa.Column("is_again", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    kind = sa.Enum(*_KINDS, name="kind", native_enum=False, create_constraint=True, length=24)
    op.add_column("vouches", sa.Column("kind", kind, server_default="shared", nullable=False))


def downgrade() -> None:
    op.drop_column("vouches", "kind")
    op.drop_column("detections", "is_again")
    for table, column in _LINKS:
        op.drop_column(table, column)
