"""Invoices and credit notes, the counters of their numbers, and the client's name of an order."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What was issued stays as it is. A client's name may only go.
_KEEP_INVOICE = """
CREATE FUNCTION keep_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wanted invoices := NEW;
BEGIN
  wanted.pdf_key := OLD.pdf_key;
  wanted.pdf_made_at := OLD.pdf_made_at;
  IF wanted.client_name IS NULL THEN wanted.client_name := OLD.client_name; END IF;
  IF wanted IS DISTINCT FROM OLD THEN
    RAISE EXCEPTION 'an invoice is never changed: a correction is a new document'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""
# name, when, for each what, function
_TRIGGERS = (
    ("contents_are_kept", "BEFORE UPDATE", "ROW", "keep_invoice"),
    ("rows_are_kept", "BEFORE DELETE", "ROW", "refuse_change_of_row"),
    ("rows_are_not_truncated", "BEFORE TRUNCATE", "STATEMENT", "refuse_change_of_row"),
)


def upgrade() -> None:
    op.add_column("payments", sa.Column("client_name", sa.Text(), nullable=True))
    op.create_table(
        "invoice_counters",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        _kind(),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("last_issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("last_number > 0", name=op.f("ck_invoice_counters_last_number")),
        sa.PrimaryKeyConstraint("year", "kind", name=op.f("pk_invoice_counters")),
    )
    _create_invoices()
    op.execute(_KEEP_INVOICE)
    for name, when, each, function in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} {when} ON invoices FOR EACH {each} EXECUTE FUNCTION {function}()")


def _kind() -> sa.Column[str]:
    words = sa.Enum(
        "invoice", "credit_note", name="kind", native_enum=False, create_constraint=True, length=24
    )
    return sa.Column("kind", words, nullable=False)


def _create_invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        _kind(),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("corrects_id", sa.Uuid(), nullable=True),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contents", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("client_name", sa.Text(), nullable=True),
        sa.Column("pdf_key", sa.Text(), nullable=True),
        sa.Column("pdf_made_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_invoices_amount")),
        sa.CheckConstraint(
            "kind = 'invoice' OR corrects_id IS NOT NULL", name=op.f("ck_invoices_credit_note")
        ),
        sa.CheckConstraint("pdf_made_at IS NULL OR pdf_key IS NOT NULL", name=op.f("ck_invoices_pdf")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_invoices_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(
            ["corrects_id"], ["invoices.id"], name=op.f("fk_invoices_corrects_id_invoices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("number", name=op.f("uq_invoices_number")),
    )
    for name in ("payment_id", "corrects_id", "issued_at"):
        op.create_index(op.f(f"ix_invoices_{name}"), "invoices", [name])
    op.create_index(
        "uq_invoices_payment_id",
        "invoices",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text("corrects_id IS NULL"),
    )
    op.create_index(
        "ix_invoices_without_pdf", "invoices", ["id"], postgresql_where=sa.text("pdf_made_at IS NULL")
    )


def downgrade() -> None:
    op.drop_table("invoices")
    op.drop_table("invoice_counters")
    op.execute("DROP FUNCTION keep_invoice()")
    op.drop_column("payments", "client_name")
