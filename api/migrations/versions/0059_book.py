"""The book of money: transactions that sum to 0, whose rows are never changed. Documents name theirs."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0059"
down_revision: str | None = "0058"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "No release before this one is installed anywhere; its invoices would lack the column."

_KINDS = (
    "paid", "upgraded", "revived", "borne", "unwatched", "ended", "owed", "refunded", "returned", "dispute_opened",
    "dispute_won", "dispute_lost", "dispute_closed",
)  # fmt: skip
_ACCOUNTS = ("cash", "unearned", "earned", "owed", "disputed", "lost")
_BALANCE = """
CREATE FUNCTION balance_book() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(cents) FROM book_lines WHERE transaction_id = NEW.transaction_id) <> 0 THEN
    RAISE EXCEPTION 'the lines of transaction % do not sum to 0', NEW.transaction_id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "book_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        _words("kind", _KINDS),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_book_transactions")),
        sa.UniqueConstraint("cause", name=op.f("uq_book_transactions_cause")),
    )
    op.create_table(
        "book_lines",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        _words("account", _ACCOUNTS),
        sa.Column("cents", sa.Integer(), nullable=False),
        sa.CheckConstraint("cents <> 0", name=op.f("ck_book_lines_cents")),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["book_transactions.id"],
            name=op.f("fk_book_lines_transaction_id_book_transactions"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_book_lines_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("transaction_id", "payment_id", "account", name=op.f("pk_book_lines")),
    )
    op.create_index(op.f("ix_book_lines_payment_id"), "book_lines", ["payment_id"])
    op.execute(_BALANCE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER book_is_balanced AFTER INSERT ON book_lines"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION balance_book()"
    )
    for table in ("book_transactions", "book_lines"):
        for name, when, each in (
            ("rows_are_kept", "BEFORE UPDATE OR DELETE", "ROW"),
            ("rows_are_not_truncated", "BEFORE TRUNCATE", "STATEMENT"),
        ):
            op.execute(
                f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_change_of_row()"
            )

    op.add_column("invoices", sa.Column("transaction_id", sa.Uuid(), nullable=False))
    op.create_foreign_key(
        op.f("fk_invoices_transaction_id_book_transactions"),
        "invoices",
        "book_transactions",
        ["transaction_id"],
        ["id"],
    )
    op.create_unique_constraint(op.f("uq_invoices_transaction_id"), "invoices", ["transaction_id"])


def _words(name: str, words: tuple[str, ...]) -> sa.Column[str]:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)
    return sa.Column(name, kind, nullable=False)


def downgrade() -> None:
    op.drop_column("invoices", "transaction_id")
    op.drop_table("book_lines")
    op.drop_table("book_transactions")
    op.execute("DROP FUNCTION balance_book()")
