"""Refunds: since when one is owed, what left by a transfer, and the alarm where Stripe does not know a payment."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0090"
down_revision: str | None = "0089"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# By table and column: the words that are allowed, the new ones in brackets.
_WORDS = {
    ("book_lines", "account"): "cash [bank] unearned earned owed disputed lost",
    ("book_transactions", "kind"): (
        "paid upgraded revived borne unwatched ended owed refunded [transferred] returned"
        " dispute_opened dispute_won dispute_lost dispute_closed"
    ),
    ("incidents", "reason"): (
        "captcha blocked rate_limited overloaded maintenance closed unreachable unreadable unlinked silent horizon"
        " part_down part_degraded provider_down old_queue quota low_delivery spam_reports dead_letters"
        " held_bounces sms_ceiling mail_ceiling failures_rising fraud_warning [refund_blocked] false_alarms self_check"
    ),
}


def upgrade() -> None:
    op.add_column("refunds", sa.Column("owed_since", sa.DateTime(timezone=True), nullable=True))
    for (table, column), words in _WORDS.items():
        _allow(table, column, [each.strip("[]") for each in words.split()])


def downgrade() -> None:
    for (table, column), words in _WORDS.items():
        _allow(table, column, [each for each in words.split() if not each.startswith("[")])
    op.drop_column("refunds", "owed_since")


def _allow(table: str, column: str, words: Sequence[str]) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table, type_="check")
    op.create_check_constraint(name, table, sa.column(column, sa.String).in_(words))
