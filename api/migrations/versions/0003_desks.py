"""Desks, hosts, outages, changes of desks, checks (partitioned by day), incidents."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_OUTCOMES = (
    "slots",
    "no_slots",
    "captcha",
    "blocked",
    "rate_limited",
    "overloaded",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
)
_OUTAGE_REASONS = (
    "captcha",
    "blocked",
    "rate_limited",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
    "stopped",
)
_INCIDENT_REASONS = (
    "captcha",
    "blocked",
    "rate_limited",
    "overloaded",
    "maintenance",
    "closed",
    "unreachable",
    "unreadable",
    "unlinked",
    "gone",
    "home",
    "retitled",
    "silent",
)


def upgrade() -> None:
    op.create_table(
        "desks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "status",
            _choice("status", "ACTIVE", "CAPTCHA", "PAUSED", "ERROR"),
            server_default="PAUSED",
            nullable=False,
        ),
        sa.Column("status_reason", sa.Text(), server_default="not checked yet", nullable=False),
        sa.Column("last_token", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_proven_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_slot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inconclusive", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wished_seconds", sa.Double(), nullable=True),
        sa.Column("feasible_seconds", sa.Double(), nullable=True),
        sa.Column("achieved_seconds", sa.Double(), nullable=True),
        sa.Column("check_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("coverage", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("last_outcome", _choice("last_outcome", *_OUTCOMES), nullable=True),
        sa.Column("visit_requests", sa.Double(), nullable=True),
        sa.Column("releases_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("share_seconds", sa.Double(), nullable=True),
        sa.Column("open_requests", sa.Double(), nullable=True),
        sa.Column("due_queue", sa.Text(), nullable=True),
        sa.CheckConstraint("inconclusive >= 0", name=op.f("ck_desks_inconclusive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desks")),
    )
    op.create_index(
        "ix_desks_check_requested_at",
        "desks",
        ["check_requested_at"],
        unique=False,
        postgresql_where=sa.text("check_requested_at IS NOT NULL"),
    )
    op.create_table(
        "hosts",
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("rests_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rest_reason", sa.Text(), nullable=True),
        sa.Column("rests_in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("budget_share", sa.Double(), server_default="1", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("calm_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(stopped_at IS NULL) = (stop_reason IS NULL)", name=op.f("ck_hosts_stop")),
        sa.CheckConstraint("budget_share > 0 AND budget_share <= 1", name=op.f("ck_hosts_budget_share")),
        sa.CheckConstraint("rests_in_a_row >= 0", name=op.f("ck_hosts_rests_in_a_row")),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_hosts")),
    )
    op.create_table(
        "outages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", _choice("reason", *_OUTAGE_REASONS), nullable=False),
        sa.Column("host", sa.Text(), nullable=True),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_outages_order")),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_outages_desk_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    op.create_index("ix_outages_desk_id_starts_at", "outages", ["desk_id", "starts_at"], unique=False)
    op.create_index(
        "uq_outages_open", "outages", ["desk_id"], unique=True, postgresql_where=sa.text("ends_at IS NULL")
    )
    op.create_table(
        "desk_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_changes")),
    )
    op.create_table(
        "checks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("outcome", _choice("outcome", *_OUTCOMES), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("requests", sa.SmallInteger(), nullable=False),
        sa.Column("slots_seen", sa.Integer(), nullable=False),
        sa.Column("covered", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("proof_key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "milliseconds >= 0 AND requests >= 0 AND slots_seen >= 0", name=op.f("ck_checks_counts")
        ),
        sa.PrimaryKeyConstraint("id", "started_at", name=op.f("pk_checks")),
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index(
        "ix_checks_desk_id_started_at",
        "checks",
        ["desk_id", sa.literal_column("started_at DESC")],
        unique=False,
    )
    op.create_index("ix_checks_started_at", "checks", ["started_at"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", _choice("reason", *_INCIDENT_REASONS), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_incidents_order")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["subject", "reason"],
        unique=True,
        postgresql_where=sa.text("ends_at IS NULL"),
    )
    op.create_index(
        "ix_incidents_ends_at",
        "incidents",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("over_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("incidents")
    op.drop_table("checks")
    op.drop_table("desk_changes")
    op.drop_table("outages")
    op.drop_table("hosts")
    op.drop_table("desks")


def _choice(name: str, *words: str) -> sa.Enum:
    """Return the type of a column that holds one of these words: text with a check constraint."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)
