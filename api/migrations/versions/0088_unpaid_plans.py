"""When a subscription lapsed, the command that changes a customer's address, and documents that a restore lost.

The files of all documents are made again, so that each gets its record in the store.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0088"
down_revision: str | None = "0087"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("lapsed_at", sa.DateTime(timezone=True)))
    _allow_commands("refund", "credit", "end", "customer")
    op.create_table(
        "invoice_gaps",
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("record", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_invoice_gaps"),
    )
    op.execute("UPDATE invoices SET pdf_made_at = NULL")


def downgrade() -> None:
    op.drop_table("invoice_gaps")
    op.execute("DELETE FROM stripe_commands WHERE kind = 'customer'")
    _allow_commands("refund", "credit", "end")
    op.drop_column("subscriptions", "lapsed_at")


def _allow_commands(*kinds: str) -> None:
    op.drop_constraint("kind", "stripe_commands", type_="check")
    named = ", ".join(f"'{each}'" for each in kinds)
    op.create_check_constraint("kind", "stripe_commands", f"kind IN ({named})")
