"""Holds of desks' alerts, and figures of answers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0043"
down_revision: str | None = "0040"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "the new check allows more reasons: rows of the release before pass"

_REASONS = (
    "captcha", "blocked", "rate_limited", "overloaded", "maintenance", "closed", "unreachable", "unreadable",
    "unlinked", "gone", "home", "retitled", "silent",
    "provider_down", "old_queue", "quota", "sms_ceiling", "failures_rising", "fraud_warning",
)  # fmt: skip
_NEW = "false_alarms"
_REASON = "ck_incidents_reason"
_COUNTS = ("alerts", "found", "too_late", "nothing_there", "stopped")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _limit_reasons((*_REASONS, _NEW))
    op.add_column("desks", sa.Column("held_at", _INSTANT))
    _create_holds()
    op.add_column("answers", sa.Column("counted", sa.String(24)))
    op.create_check_constraint(
        op.f("ck_answers_counted"), "answers", "counted IN ('found', 'too_late', 'nothing_there', 'stopped')"
    )
    op.create_index(
        "ix_answers_uncounted",
        "answers",
        ["answered_at"],
        postgresql_where=sa.text("counted IS DISTINCT FROM value"),
    )
    op.create_index(
        "ix_answers_nothing_there",
        "answers",
        ["answered_at"],
        postgresql_where=sa.text("value = 'nothing_there'"),
    )
    _create_figures()


def downgrade() -> None:
    for name in ("figure_cursors", "slot_lives", "answer_figures"):
        op.drop_table(name)
    op.drop_index("ix_answers_nothing_there", "answers")
    op.drop_index("ix_answers_uncounted", "answers")
    op.drop_constraint(op.f("ck_answers_counted"), "answers")
    op.drop_column("answers", "counted")
    op.drop_table("holds")
    op.drop_column("desks", "held_at")
    op.execute(sa.delete(sa.table("incidents", sa.column("reason"))).where(sa.column("reason") == _NEW))
    _limit_reasons(_REASONS)


def _create_holds() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        sa.Column("starts_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT),
        sa.Column("people", sa.SmallInteger(), nullable=False),
        sa.Column("proven", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_holds_order")),
        sa.ForeignKeyConstraint(["desk_id"], ["desks.id"], name=op.f("fk_holds_desk_id_desks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index(
        "uq_holds_open", "holds", ["desk_id"], unique=True, postgresql_where=sa.text("ends_at IS NULL")
    )
    op.create_index("ix_holds_desk_id_starts_at", "holds", ["desk_id", "starts_at"])


def _create_figures() -> None:
    op.create_table(
        "answer_figures",
        *_name_row(),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("month", "platform", "desk_id", name=op.f("pk_answer_figures")),
    )
    op.create_table(
        "slot_lives",
        *_name_row(),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("seconds", postgresql.ARRAY(sa.Float()), nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("month", "platform", "desk_id", name=op.f("pk_slot_lives")),
    )
    op.create_table(
        "figure_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_figure_cursors")),
    )


def _name_row() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
    )


def _limit_reasons(reasons: Sequence[str]) -> None:
    op.drop_constraint(op.f(_REASON), "incidents", type_="check")
    op.create_check_constraint(op.f(_REASON), "incidents", sa.column("reason").in_(reasons))
