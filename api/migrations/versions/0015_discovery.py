"""What discovery remembers, and desks whose page has moved: told of like a closed one."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OUTCOMES = (
    "captcha",
    "blocked",
    "rate_limited",
    "overloaded",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
)
_DRIFTS = ("unlinked", "gone", "home", "retitled", "silent")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _runs()
    _memory()
    op.create_table(
        "drifts",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drifts")),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_drifts_order")),
        sa.CheckConstraint(f"reason IN ({_words(_DRIFTS)})", name=op.f("ck_drifts_reason")),
    )
    op.create_index(
        "uq_drifts_open", "drifts", ["desk_id"], unique=True, postgresql_where=sa.text("ends_at IS NULL")
    )
    _incident_reasons(*_OUTCOMES, *_DRIFTS)


def downgrade() -> None:
    op.execute(f"DELETE FROM incidents WHERE reason IN ({_words(_DRIFTS)})")  # noqa: S608 -- our own words
    _incident_reasons(*_OUTCOMES)
    for table in ("drifts", "desk_landings", "desk_links", "discovery_runs"):
        op.drop_table(table)


def _runs() -> None:
    op.create_table(
        "discovery_runs",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("cut", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("pages", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discovery_runs")),
        sa.CheckConstraint("ended_at >= started_at", name=op.f("ck_discovery_runs_order")),
    )
    open_only = sa.text("ended_at IS NULL")
    op.create_index(
        "uq_discovery_runs_open",
        "discovery_runs",
        [sa.text("(true)")],
        unique=True,
        postgresql_where=open_only,
    )
    op.create_index("ix_discovery_runs_started_at", "discovery_runs", ["started_at"])


def _memory() -> None:
    op.create_table(
        "desk_links",
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("page_url", sa.Text(), nullable=False),
        sa.Column("page_title", sa.Text(), nullable=False),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("desk_id", "page_url", name=op.f("pk_desk_links")),
    )
    op.create_table(
        "desk_landings",
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("desk_id", name=op.f("pk_desk_landings")),
    )


def _incident_reasons(*words: str) -> None:
    op.drop_constraint(op.f("ck_incidents_reason"), "incidents")
    op.create_check_constraint(op.f("ck_incidents_reason"), "incidents", f"reason IN ({_words(words)})")


def _words(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
