"""Declarations of withdrawal and cancellation, numbers of orders, and when an order mail was handed over."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Ten characters of 32, none of which looks like another (no 0, O, 1, I). Bytes 6 and 8 of a UUIDv4 are not random.
_MAKE_NUMBER = """
CREATE FUNCTION make_order_number() RETURNS text LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE bytes bytea := uuid_send(gen_random_uuid()); made text := ''; place integer;
BEGIN
  FOREACH place IN ARRAY ARRAY[0, 1, 2, 3, 4, 5, 7, 9, 10, 11] LOOP
    made := made || substr(
      '23456789ABCDEFGHJKLMNPQRSTUVWXYZ', (get_byte(bytes, place) & 31) + 1, 1);  -- pragma: allowlist secret
  END LOOP;
  RETURN made;
END $$
"""
# A trigger and no default of the column: renewals have no number, and code of the release before gives none.
_NUMBER_ORDER = """
CREATE FUNCTION number_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.consented_at IS NOT NULL AND NEW.order_number IS NULL THEN
    NEW.order_number := make_order_number();
  END IF;
  RETURN NEW;
END $$
"""
_NUMBER_OLD = "UPDATE payments SET order_number = make_order_number() WHERE consented_at IS NOT NULL"
_OPEN = "applied_at IS NULL AND undone_at IS NULL AND refused_because IS NULL"
_ONCE = "kind = 'withdrawal' AND made_by <> 'form' AND refused_because IS NULL"
_UNMAILED = "order_mail_at IS NULL AND paid_at IS NOT NULL AND consented_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("payments", sa.Column("order_number", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("order_mail_at", sa.DateTime(timezone=True), nullable=True))
    for statement in (_MAKE_NUMBER, _NUMBER_ORDER, _NUMBER_OLD):
        op.execute(statement)
    op.execute(
        "CREATE TRIGGER order_is_numbered BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION number_order()"
    )
    op.create_check_constraint(
        op.f("ck_payments_order_number"), "payments", "order_number ~ '^[2-9A-HJ-NP-Z]{10}$'"
    )
    op.create_unique_constraint(op.f("uq_payments_order_number"), "payments", ["order_number"])
    op.create_index("ix_payments_unmailed", "payments", ["id"], postgresql_where=sa.text(_UNMAILED))
    _create_declarations()


def _create_declarations() -> None:
    instant = sa.DateTime(timezone=True)
    kind = sa.Enum(
        "withdrawal", "cancellation", name="kind", native_enum=False, create_constraint=True, length=24
    )
    made_by = sa.Enum(
        "account", "link", "form", name="made_by", native_enum=False, create_constraint=True, length=24
    )
    op.create_table(
        "declarations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", kind, nullable=False),
        sa.Column("made_at", instant, nullable=False),
        sa.Column("made_by", made_by, nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), server_default="fr", nullable=False),
        sa.Column("wished_on", sa.Date(), nullable=True),
        sa.Column("at_period_end", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("confirmed_at", instant, nullable=True),
        sa.Column("takes_effect_at", instant, nullable=True),
        sa.Column("applied_at", instant, nullable=True),
        sa.Column("undone_at", instant, nullable=True),
        sa.Column("refused_because", sa.Text(), nullable=True),
        sa.Column("refund_cents", sa.Integer(), nullable=True),
        sa.CheckConstraint("length(name) <= 200", name=op.f("ck_declarations_name_length")),
        sa.CheckConstraint("length(email) <= 254", name=op.f("ck_declarations_email_length")),
        sa.CheckConstraint("length(reference) <= 100", name=op.f("ck_declarations_reference_length")),
        sa.CheckConstraint(
            "num_nonnulls(applied_at, undone_at, refused_because) <= 1", name=op.f("ck_declarations_one_end")
        ),
        sa.CheckConstraint(
            "refund_cents IS NULL OR applied_at IS NOT NULL", name=op.f("ck_declarations_refund")
        ),
        *(
            sa.ForeignKeyConstraint(
                [column],
                [f"{table}.id"],
                name=op.f(f"fk_declarations_{column}_{table}"),
                ondelete="SET NULL" if table == "users" else None,
            )
            for column, table in (
                ("user_id", "users"),
                ("payment_id", "payments"),
                ("subscription_id", "subscriptions"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_declarations")),
    )
    for column in ("user_id", "payment_id", "subscription_id"):
        op.create_index(op.f(f"ix_declarations_{column}"), "declarations", [column])
    op.create_index(
        "ix_declarations_due", "declarations", ["takes_effect_at"], postgresql_where=sa.text(_OPEN)
    )
    op.create_index("ix_declarations_email_made_at", "declarations", [sa.text("lower(email)"), "made_at"])
    op.create_index(
        "uq_declarations_withdrawal",
        "declarations",
        ["payment_id"],
        unique=True,
        postgresql_where=sa.text(_ONCE),
    )


def downgrade() -> None:
    op.drop_table("declarations")
    op.execute("DROP TRIGGER order_is_numbered ON payments")
    op.execute("DROP FUNCTION number_order()")
    op.execute("DROP FUNCTION make_order_number()")
    op.drop_index("ix_payments_unmailed", "payments")
    op.drop_column("payments", "order_mail_at")
    op.drop_column("payments", "order_number")
