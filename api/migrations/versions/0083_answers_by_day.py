"""Alerts and answers of a desk are counted in its days: no tables of figures by month, no mark of counted answers."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0083"
down_revision: str | None = "0082"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "Nothing is installed: the tables and the column go together with the code that used them."

_COUNTS = ("alerts", "found", "too_late", "nothing_there", "stopped")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in _COUNTS:
        op.add_column("check_days", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.drop_index("ix_answers_uncounted", "answers")
    op.drop_column("answers", "counted")
    for table in ("answer_figures", "slot_lives", "figure_cursors"):
        op.drop_table(table)


def downgrade() -> None:
    op.create_table(
        "figure_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_figure_cursors")),
    )
    _create_figures("answer_figures", *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS))
    _create_figures(
        "slot_lives",
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("seconds", postgresql.ARRAY(sa.Float()), nullable=False),
    )
    op.add_column("answers", sa.Column("counted", sa.String(24)))
    op.create_check_constraint(
        op.f("ck_answers_counted"), "answers", "counted IN ('found', 'too_late', 'nothing_there', 'stopped')"
    )
    is_uncounted = sa.text("counted IS DISTINCT FROM value")
    op.create_index("ix_answers_uncounted", "answers", ["answered_at"], postgresql_where=is_uncounted)
    for name in _COUNTS:
        op.drop_column("check_days", name)


def _create_figures(table: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        table,
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("desk_id", sa.Text(), nullable=False),
        *columns,
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("month", "platform", "desk_id", name=op.f(f"pk_{table}")),
    )
