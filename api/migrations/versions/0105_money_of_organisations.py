"""Money of organisations: terms, hours watched, what is due; payments without a user, and their movements."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0105"
down_revision: str | None = "0104"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_ORGANISATION: dict[str, sa.types.TypeEngine[Any]] = {
    "billed_since": _TIME, "free_until": _TIME, "firm_terms_version": sa.Text(), "firm_terms_accepted_by": sa.Uuid(),
    "purchase_order": sa.Text(), "billed_until": _TIME, "most_watched": sa.Integer(), "pauses_at": _TIME,
}  # fmt: skip
_TIMES = {"beneficiaries": ("measured_until", "placed_at"), "payments": ("used_from", "used_until", "due_at")}
_KINDS = (
    "paid upgraded revived borne unwatched ended owed refunded transferred returned dispute_opened dispute_won"
    " dispute_lost dispute_closed"
)
_WORDS = {
    ("book_lines", "account"): ("cash bank unearned earned owed disputed lost", "due"),
    ("book_transactions", "kind"): (_KINDS, "billed waived"),
}
_CHECKS = {
    "billed": "(billed_since IS NULL) = (firm_terms_version IS NULL)"
    " AND (billed_since IS NULL) = (firm_terms_accepted_by IS NULL)"
    " AND (billed_since IS NULL) = (free_until IS NULL) AND (billed_since IS NULL) = (billed_until IS NULL)",
    "most_watched": "most_watched > 0",
    "purchase_order_length": "length(purchase_order) <= 50",
}
_USE = "num_nonnulls(used_from, used_until, due_at) IN (0, 3) AND (user_id IS NULL OR due_at IS NULL)"


def upgrade() -> None:
    for name, kind in _ORGANISATION.items():
        op.add_column("organisations", sa.Column(name, kind))
    for table, columns in _TIMES.items():
        for name in columns:
            op.add_column(table, sa.Column(name, _TIME))
    for name, condition in _CHECKS.items():
        op.create_check_constraint(op.f(f"ck_organisations_{name}"), "organisations", condition)
    op.add_column(
        "payments",
        sa.Column("organisation_id", sa.Uuid(), sa.ForeignKey("organisations.id", ondelete="SET NULL")),
    )
    op.create_check_constraint(op.f("ck_payments_use"), "payments", _USE)
    op.create_unique_constraint(
        op.f("uq_payments_organisation_id_used_from"), "payments", ["organisation_id", "used_from"]
    )
    op.create_table(
        "watched_days",
        sa.Column(
            "organisation_id",
            sa.Uuid(),
            sa.ForeignKey("organisations.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("reference", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("hours", sa.Integer(), nullable=False),
    )
    for (table, column), (old, new) in _WORDS.items():
        _allow(table, column, f"{old} {new}")


def _allow(table: str, column: str, words: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table)
    listed = ", ".join(f"'{word}'" for word in words.split())
    op.create_check_constraint(op.f(f"ck_{table}_{column}"), table, f"{column} IN ({listed})")


def downgrade() -> None:
    op.drop_table("watched_days")
    op.drop_column("payments", "organisation_id")
    for table, columns in _TIMES.items():
        for name in columns:
            op.drop_column(table, name)
    for name in _ORGANISATION:
        op.drop_column("organisations", name)
    for (table, column), (old, _new) in _WORDS.items():
        _allow(table, column, old)
