"""Candidates: booking pages that no desk file has."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0091"
down_revision: str | None = "0090"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WORDS = {
    "source": ["list", "discovery", "person"],
    "state": ["open", "accepted", "refused", "written"],
    "outcome": [
        "slots", "no_slots", "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed",
        "unreachable", "unreadable",
    ],
}  # fmt: skip


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "candidates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text()),
        sa.Column("number", sa.Text()),
        sa.Column("prefecture_id", sa.Text()),
        sa.Column("source", sa.String(24), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("linked_by", sa.Text()),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("given_at", moment),
        sa.Column("first_seen_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("last_seen_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("state", sa.String(24), server_default="open", nullable=False),
        sa.Column("asked_at", moment),
        sa.Column("outcome", sa.String(24)),
        sa.Column("reading", sa.Text()),
        sa.Column("title", sa.Text()),
        sa.Column("procedures", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("visits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("proofs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("entry", postgresql.JSONB()),
        sa.Column("decided_at", moment),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decision", sa.Text()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidates")),
        sa.UniqueConstraint("key", name=op.f("uq_candidates_key")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_candidates_user_id"), ondelete="SET NULL"
        ),
        *(
            sa.CheckConstraint(sa.column(name, sa.String).in_(words), name=op.f(f"ck_candidates_{name}"))
            for name, words in _WORDS.items()
        ),
        sa.CheckConstraint("last_seen_at >= first_seen_at", name=op.f("ck_candidates_order")),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_candidates_decision")),
    )
    op.create_index("ix_candidates_state_host", "candidates", ["state", "host"])
    op.create_index(
        "ix_candidates_user_id",
        "candidates",
        ["user_id"],
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("candidates")
