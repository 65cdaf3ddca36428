"""What disputes took of a payment, disputes that took nothing, and who paid: a person may be several customers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0056"
down_revision: str | None = "0055"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
CONTRACTS = "events have one more word, which rows of the release before satisfy"

_KINDS = (
    "paid", "failed", "expired", "refunded", "refund_undone", "dispute_opened", "dispute_won", "dispute_lost",
    "fraud_warning", "plan_ended", "withdrawn",
)  # fmt: skip
# Ids are in the order in which events were recorded.
_LOST_FOR_GOOD = """kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events won WHERE won.payment_id = payment_events.payment_id
            AND won.kind = 'dispute_won' AND won.subject = payment_events.subject AND won.id > payment_events.id)"""
_FOLLOW = """
CREATE OR REPLACE FUNCTION follow_payment_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  UPDATE payments p SET status = CASE WHEN {gone} THEN 'REFUNDED' ELSE e.status END, paid_at = e.paid_at,
    {lost_cents} refunded_at = CASE WHEN {gone} THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN bool_or(kind = 'paid') THEN 'COMPLETED'
        WHEN bool_or(kind IN ('failed', 'expired')) THEN 'FAILED'
        ELSE 'PENDING' END AS status,
      count(*) FILTER (WHERE kind = 'refunded') > count(*) FILTER (WHERE kind = 'refund_undone') AS went_back,
      coalesce(sum((details->>'amount')::int) FILTER (WHERE {lost}), 0) AS lost,
      min(at) FILTER (WHERE kind = 'paid') AS paid_at,
      max(at) FILTER (WHERE kind IN ('refunded', 'dispute_lost')) AS refunded_at
    FROM payment_events WHERE payment_id = NEW.payment_id
  ) e WHERE p.id = NEW.payment_id;
  RETURN NULL;
END $$
"""
_KEEP = """
CREATE OR REPLACE FUNCTION keep_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 AND (NEW.status, NEW.paid_at, NEW.refunded_at, NEW.refunded_cents{new})
    IS DISTINCT FROM (OLD.status, OLD.paid_at, OLD.refunded_at, OLD.refunded_cents{old}) THEN
    RAISE EXCEPTION 'status and refunds of a payment follow from payment_events and refunds: add a row there'
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""
_PARTS = {
    "gone": "e.went_back OR e.lost > 0 AND e.lost >= p.amount_cents",
    "lost_cents": "lost_cents = e.lost,",
}
_WHOLE = {"gone": "e.went_back OR e.lost > 0", "lost_cents": ""}


def upgrade() -> None:
    op.add_column("payments", sa.Column("lost_cents", sa.Integer(), server_default="0", nullable=False))
    op.add_column("payments", sa.Column("stripe_customer_id", sa.Text(), nullable=True))
    _set_kinds(*_KINDS, "dispute_closed")
    op.execute(_FOLLOW.format(lost=_LOST_FOR_GOOD, **_PARTS))
    op.execute(_KEEP.format(new=", NEW.lost_cents", old=", OLD.lost_cents"))


def downgrade() -> None:
    op.execute(_KEEP.format(new="", old=""))
    op.execute(_FOLLOW.format(lost=_LOST_FOR_GOOD, **_WHOLE))
    _set_kinds(*_KINDS)
    op.drop_column("payments", "stripe_customer_id")
    op.drop_column("payments", "lost_cents")


def _set_kinds(*kinds: str) -> None:
    name = op.f("ck_payment_events_kind")
    op.drop_constraint(name, "payment_events", type_="check")
    words = ", ".join(f"'{each}'" for each in kinds)
    op.create_check_constraint(name, "payment_events", f"kind IN ({words})")
