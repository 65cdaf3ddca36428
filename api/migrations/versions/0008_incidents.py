"""What operators and subscribers are told of the watching."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_REASONS = (
    "captcha",
    "blocked",
    "rate_limited",
    "overloaded",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
)


def upgrade() -> None:
    words = ", ".join(f"'{reason}'" for reason in _REASONS)
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("starts_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("ends_at", moment, nullable=True),
        sa.Column("told_at", moment, nullable=True),
        sa.Column("over_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_incidents_order")),
        sa.CheckConstraint(f"reason IN ({words})", name=op.f("ck_incidents_reason")),
    )
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["subject", "reason"],
        unique=True,
        postgresql_where=sa.text("ends_at IS NULL"),
    )
    op.create_index(
        "ix_incidents_ends_at", "incidents", ["ends_at"], postgresql_where=sa.text("over_at IS NULL")
    )


def downgrade() -> None:
    op.drop_table("incidents")
