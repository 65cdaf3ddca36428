"""Payments and what happened to them, refunds, subscriptions, Stripe's events and ids, and the payment of a grant."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PLANS = ("NONE", "URGENCE_24H", "URGENCE_7J", "URGENCE_TOTAL")
_TABLES = (
    "payment_differences", "stripe_events", "stripe_ids", "refunds", "payment_events", "plan_credits", "payments",
    "subscriptions",
)  # fmt: skip
_FUNCTIONS = ("follow_payment_events", "follow_refunds", "keep_payment", "refuse_change_of_row")

# The first statement waits for other writers of the payment; the second then sees their events.
_FOLLOW_EVENTS = """
CREATE FUNCTION follow_payment_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  UPDATE payments p SET status = e.status, paid_at = e.paid_at,
    refunded_at = CASE WHEN e.status = 'REFUNDED' THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN bool_or(kind = 'dispute_lost') OR count(*) FILTER (WHERE kind = 'refunded')
          > count(*) FILTER (WHERE kind = 'refund_undone') THEN 'REFUNDED'
        WHEN bool_or(kind = 'paid') THEN 'COMPLETED'
        WHEN bool_or(kind IN ('failed', 'expired')) THEN 'FAILED'
        ELSE 'PENDING' END AS status,
      min(at) FILTER (WHERE kind = 'paid') AS paid_at,
      max(at) FILTER (WHERE kind IN ('refunded', 'dispute_lost')) AS refunded_at
    FROM payment_events WHERE payment_id = NEW.payment_id
  ) e WHERE p.id = NEW.payment_id;
  RETURN NULL;
END $$
"""
# The check on payments.refunded_cents limits the sum; the update waits for other writers of the payment.
_FOLLOW_REFUNDS = """
CREATE FUNCTION follow_refunds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE payments SET refunded_cents = refunded_cents
    + CASE WHEN NEW.status <> 'failed' THEN NEW.amount_cents ELSE 0 END
    - CASE WHEN TG_OP = 'UPDATE' AND OLD.status <> 'failed' THEN OLD.amount_cents ELSE 0 END
  WHERE id = NEW.payment_id;
  RETURN NULL;
END $$
"""
_KEEP_PAYMENT = """
CREATE FUNCTION keep_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 AND (NEW.status, NEW.paid_at, NEW.refunded_at, NEW.refunded_cents)
    IS DISTINCT FROM (OLD.status, OLD.paid_at, OLD.refunded_at, OLD.refunded_cents) THEN
    RAISE EXCEPTION 'status and refunds of a payment follow from payment_events and refunds: add a row there'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""
_REFUSE = """
CREATE FUNCTION refuse_change_of_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""
# name, when, on which table, for each what, function
_TRIGGERS = (
    ("status_follows", "AFTER INSERT", "payment_events", "ROW", "follow_payment_events"),
    ("refunded_follows", "AFTER INSERT OR UPDATE", "refunds", "ROW", "follow_refunds"),
    ("derived_is_kept", "BEFORE UPDATE", "payments", "ROW", "keep_payment"),
    ("rows_are_kept", "BEFORE UPDATE OR DELETE", "payment_events", "ROW", "refuse_change_of_row"),
    ("rows_are_not_truncated", "BEFORE TRUNCATE", "payment_events", "STATEMENT", "refuse_change_of_row"),
    ("rows_are_kept", "BEFORE UPDATE OR DELETE", "stripe_ids", "ROW", "refuse_change_of_row"),
    ("rows_are_kept", "BEFORE DELETE", "refunds", "ROW", "refuse_change_of_row"),
)


def _instant(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column[object]:
    default = sa.text("now()") if now else None
    return sa.Column(name, sa.DateTime(timezone=True), server_default=default, nullable=nullable)


def _words(name: str, *words: str, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    kind = sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=24)
    return sa.Column(name, kind, server_default=default, nullable=nullable)


def _reference(name: str, table: str, on_delete: str | None = None) -> sa.ForeignKeyConstraint:
    key = op.f(f"fk_{table}_{name}_{_TARGETS[name]}")
    return sa.ForeignKeyConstraint([name], [f"{_TARGETS[name]}.id"], name=key, ondelete=on_delete)


def _index_due(table: str) -> None:
    """Index what is to be tried at some time."""
    due = sa.text("next_attempt_at IS NOT NULL")
    op.create_index(f"ix_{table}_next_attempt_at", table, ["next_attempt_at"], postgresql_where=due)


_TARGETS = {
    "user_id": "users", "alert_id": "alerts", "payment_id": "payments", "credited_payment_id": "payments",
    "subscription_id": "subscriptions", "refund_id": "refunds",
}  # fmt: skip


def upgrade() -> None:
    _create_subscriptions()
    _create_payments()
    _create_plan_credits()
    _create_payment_events()
    _create_refunds()
    _create_stripe_ids()
    _create_stripe_events()
    _create_differences()
    _connect_grants()
    for statement in (_FOLLOW_EVENTS, _FOLLOW_REFUNDS, _KEEP_PAYMENT, _REFUSE):
        op.execute(statement)
    for name, when, table, each, function in _TRIGGERS:
        op.execute(f"CREATE TRIGGER {name} {when} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()")


def _create_subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        _words("plan", *_PLANS),
        sa.Column("status", sa.Text(), nullable=False),
        _instant("period_starts_at"),
        _instant("period_ends_at"),
        _instant("cancel_at"),
        _instant("ended_at"),
        _instant("cancel_wanted_at"),
        _instant("next_attempt_at"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _instant("synced_at"),
        _instant("created_at", nullable=False, now=True),
        sa.CheckConstraint("plan <> 'NONE'", name=op.f("ck_subscriptions_real_plan")),
        sa.CheckConstraint(
            "cancel_wanted_at IS NOT NULL OR next_attempt_at IS NULL",
            name=op.f("ck_subscriptions_attempts_end"),
        ),
        _reference("user_id", "subscriptions", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_user_id"), "subscriptions", ["user_id"])
    _index_due("subscriptions")


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        _words("plan", *_PLANS),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("currency", sa.Text(), server_default="eur", nullable=False),
        sa.Column("refunded_cents", sa.Integer(), server_default="0", nullable=False),
        _words("status", "PENDING", "COMPLETED", "FAILED", "REFUNDED", default="PENDING"),
        _instant("created_at", nullable=False, now=True),
        _instant("paid_at"),
        _instant("refunded_at"),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("terms_version", sa.Text(), nullable=True),
        sa.Column("consent", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("consent_text", sa.Text(), nullable=True),
        _instant("consented_at"),
        sa.Column("alert_wish", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        _instant("synced_at"),
        sa.CheckConstraint("plan <> 'NONE'", name=op.f("ck_payments_real_plan")),
        sa.CheckConstraint("currency = 'eur'", name=op.f("ck_payments_currency")),
        sa.CheckConstraint("amount_cents >= 0", name=op.f("ck_payments_amount")),
        sa.CheckConstraint("refunded_cents BETWEEN 0 AND amount_cents", name=op.f("ck_payments_refunded")),
        sa.CheckConstraint("(consent IS NULL) = (consented_at IS NULL)", name=op.f("ck_payments_consent")),
        _reference("user_id", "payments", "SET NULL"),
        _reference("subscription_id", "payments"),
        _reference("alert_id", "payments", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_user_id_id", "payments", ["user_id", "id"])
    op.create_index("ix_payments_status_id", "payments", ["status", "id"])
    for name in ("subscription_id", "alert_id"):
        op.create_index(op.f(f"ix_payments_{name}"), "payments", [name])


def _create_plan_credits() -> None:
    op.create_table(
        "plan_credits",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("credited_payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint("amount_cents >= 0 AND seconds > 0", name=op.f("ck_plan_credits_amounts")),
        sa.CheckConstraint("payment_id <> credited_payment_id", name=op.f("ck_plan_credits_two_payments")),
        _reference("payment_id", "plan_credits"),
        _reference("credited_payment_id", "plan_credits"),
        sa.PrimaryKeyConstraint("payment_id", "credited_payment_id", name=op.f("pk_plan_credits")),
    )
    op.create_index(op.f("ix_plan_credits_credited_payment_id"), "plan_credits", ["credited_payment_id"])


def _create_payment_events() -> None:
    op.create_table(
        "payment_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        _words(
            "kind", "paid", "failed", "expired", "refunded", "refund_undone", "dispute_opened", "dispute_won",
            "dispute_lost", "fraud_warning", "plan_ended", "withdrawn",
        ),
        sa.Column("subject", sa.Text(), server_default="", nullable=False),
        _instant("at", nullable=False),
        _instant("recorded_at", nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        _reference("payment_id", "payment_events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_events")),
        sa.UniqueConstraint(
            "payment_id", "kind", "subject", name=op.f("uq_payment_events_payment_id_kind_subject")
        ),
    )  # fmt: skip


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("amount_cents", sa.Integer(), nullable=False),
        _words(
            "reason", "operator", "withdrawal", "not_watched", "outage", "cancelled", "no_account", "external"
        ),
        sa.Column("note", sa.Text(), nullable=True),
        _words("status", "planned", "pending", "succeeded", "failed", default="planned"),
        _instant("created_at", nullable=False, now=True),
        _instant("settled_at"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _instant("next_attempt_at"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_cents > 0", name=op.f("ck_refunds_amount")),
        sa.CheckConstraint(
            "status = 'planned' OR next_attempt_at IS NULL", name=op.f("ck_refunds_attempts_end")
        ),
        _reference("payment_id", "refunds"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index(op.f("ix_refunds_payment_id"), "refunds", ["payment_id"])
    _index_due("refunds")


def _create_stripe_ids() -> None:
    owners = ("payment_id", "subscription_id", "refund_id")
    op.create_table(
        "stripe_ids",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Uuid(), nullable=True) for name in owners),
        _instant("created_at", nullable=False, now=True),
        sa.CheckConstraint(
            "num_nonnulls(payment_id, subscription_id, refund_id) = 1", name=op.f("ck_stripe_ids_owner")
        ),
        sa.CheckConstraint("length(id) <= 255", name=op.f("ck_stripe_ids_length")),
        *(_reference(name, "stripe_ids") for name in owners),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_ids")),
        *(sa.UniqueConstraint(name, "kind", name=op.f(f"uq_stripe_ids_{name}_kind")) for name in owners),
    )


def _create_stripe_events() -> None:
    op.create_table(
        "stripe_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("api_version", sa.Text(), nullable=True),
        _instant("created_at", nullable=False),
        sa.Column("object_type", sa.Text(), nullable=True),
        sa.Column("object_id", sa.Text(), nullable=True),
        _instant("received_at", nullable=False),
        _instant("applied_at"),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        _instant("next_attempt_at"),
        sa.Column("error", sa.Text(), nullable=True),
        _words("flag", "unknown_type", "unknown_owner", "gave_up", nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        _instant("lease_until"),
        sa.CheckConstraint("length(id) <= 255 AND length(type) <= 255", name=op.f("ck_stripe_events_length")),
        sa.CheckConstraint(
            "(lease_token IS NULL) = (lease_until IS NULL)", name=op.f("ck_stripe_events_lease")
        ),
        sa.CheckConstraint(
            "applied_at IS NULL OR next_attempt_at IS NULL", name=op.f("ck_stripe_events_applied_once")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stripe_events")),
    )
    op.create_index("ix_stripe_events_received_at_id", "stripe_events", ["received_at", "id"])
    op.create_index("ix_stripe_events_object_id", "stripe_events", ["object_id"])
    _index_due("stripe_events")


def _create_differences() -> None:
    op.create_table(
        "payment_differences",
        sa.Column("id", sa.Uuid(), nullable=False),
        _instant("found_at", nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("ours", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stripe", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        _reference("payment_id", "payment_differences"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_differences")),
        sa.UniqueConstraint("object_id", "found_at", name=op.f("uq_payment_differences_object_id_found_at")),
    )
    op.create_index("ix_payment_differences_found_at", "payment_differences", ["found_at"])
    op.create_index(op.f("ix_payment_differences_payment_id"), "payment_differences", ["payment_id"])


def _connect_grants() -> None:
    op.add_column("grants", sa.Column("payment_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f("fk_grants_payment_id_payments"), "grants", "payments", ["payment_id"], ["id"])
    op.create_index(op.f("ix_grants_payment_id"), "grants", ["payment_id"])
    op.create_index(
        "uq_grants_payment_id_source",
        "grants",
        ["payment_id", "source"],
        unique=True,
        postgresql_where=sa.text("source IN ('payment', 'grace')"),
    )


def downgrade() -> None:
    op.drop_column("grants", "payment_id")
    for table in _TABLES:
        op.drop_table(table)
    for function in _FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}()")
