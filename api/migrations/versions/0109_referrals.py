"""Orders that a person's link led to, and the day to which a subscription's next charge moves."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0109"
down_revision: str | None = "0108"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATES = ["pending", "given", "refused", "taken_back"]
_REASONS = ["money_back", "oneself", "account_gone", "no_plan", "year_full", "charge_told"]


def upgrade() -> None:
    op.create_table(
        "referrals",
        sa.Column("payment_id", sa.Uuid(), sa.ForeignKey("payments.id"), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id", ondelete="SET NULL"), index=True),
        sa.Column("state", _name_words("state", _STATES), server_default="pending", nullable=False),
        sa.Column("reason", _name_words("reason", _REASONS)),
        sa.Column("friend_days", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        *(
            sa.Column(name, sa.Uuid(), sa.ForeignKey("grants.id", ondelete="SET NULL"), index=True)
            for name in ("friend_grant_id", "grant_id")
        ),
        sa.CheckConstraint("friend_days > 0 AND days >= 0", name="days"),
        sa.CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
    )
    op.add_column("subscriptions", sa.Column("charge_at", sa.DateTime(timezone=True)))
    _allow("refund", "credit", "end", "customer", "charge")


def _name_words(name: str, words: list[str]) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)


def _allow(*kinds: str) -> None:
    name = op.f("ck_stripe_commands_kind")
    op.drop_constraint(name, "stripe_commands")
    op.create_check_constraint(name, "stripe_commands", f"kind IN {kinds}")


def downgrade() -> None:
    op.execute("DELETE FROM stripe_commands WHERE kind = 'charge'")
    _allow("refund", "credit", "end", "customer")
    op.drop_column("subscriptions", "charge_at")
    op.drop_table("referrals")
