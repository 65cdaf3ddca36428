"""A credit note of a lost dispute, and the invoice that takes it back, name the event of the dispute's end.

Revision ID: 0026
Revises: 0025
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
# The release before writes refund_id and corrects_id together, so its rows pass; nothing of ours names the index.
CONTRACTS = "rows of the release before satisfy the new checks"

_CORRECTION, _CREDIT_NOTE = "ck_invoices_correction", "ck_invoices_credit_note"
_ONE_INVOICE = "uq_invoices_payment_id"


def upgrade() -> None:
    op.add_column("invoices", sa.Column("event_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_invoices_event_id_payment_events"), "invoices", "payment_events", ["event_id"], ["id"]
    )
    op.create_unique_constraint(op.f("uq_invoices_event_id"), "invoices", ["event_id"])
    _replace(
        "num_nonnulls(refund_id, event_id) = CASE WHEN corrects_id IS NULL THEN 0 ELSE 1 END", "corrects_id"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("uq_invoices_event_id"), "invoices", type_="unique")
    op.drop_constraint(op.f("fk_invoices_event_id_payment_events"), "invoices", type_="foreignkey")
    _replace("(refund_id IS NULL) = (corrects_id IS NULL)", "refund_id")
    op.drop_column("invoices", "event_id")


def _replace(correction: str, mark: str) -> None:
    """Replace what tells an invoice from its corrections: the column `mark` is null in it."""
    op.drop_constraint(op.f(_CORRECTION), "invoices", type_="check")
    op.drop_constraint(op.f(_CREDIT_NOTE), "invoices", type_="check")
    op.drop_index(_ONE_INVOICE, "invoices")
    op.create_check_constraint(op.f(_CORRECTION), "invoices", correction)
    op.create_check_constraint(op.f(_CREDIT_NOTE), "invoices", f"kind = 'invoice' OR {mark} IS NOT NULL")
    op.create_index(
        _ONE_INVOICE, "invoices", ["payment_id"], unique=True, postgresql_where=sa.text(f"{mark} IS NULL")
    )
