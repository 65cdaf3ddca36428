"""Coupons of organisations have a beginning, and a bill whose money the bank took back is due again."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TSTZRANGE

revision: str = "0110"
down_revision: str | None = "0109"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NEW = r"""
CREATE OR REPLACE FUNCTION follow_payment_events() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  UPDATE payments p SET status = CASE WHEN p.due_at IS NOT NULL AND e.is_due_again THEN 'PENDING'
      WHEN e.went_back OR p.due_at IS NULL AND e.lost > 0 AND e.lost >= p.amount_cents THEN 'REFUNDED' ELSE e.status END, paid_at = e.paid_at,
    lost_cents = e.lost, refunded_at = CASE
      WHEN e.went_back OR p.due_at IS NULL AND e.lost > 0 AND e.lost >= p.amount_cents THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN bool_or(kind = 'paid') THEN 'COMPLETED'
        WHEN bool_or(kind IN ('failed', 'expired')) THEN 'FAILED'
        ELSE 'PENDING' END AS status,
      count(*) FILTER (WHERE kind = 'refunded') > count(*) FILTER (WHERE kind = 'refund_undone') AS went_back,
      coalesce(sum((details->>'amount')::int) FILTER (WHERE kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events won WHERE won.payment_id = payment_events.payment_id
            AND won.kind = 'dispute_won' AND won.subject = payment_events.subject AND won.id > payment_events.id)), 0) AS lost,
      coalesce(bool_or(kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events later WHERE later.payment_id = payment_events.payment_id AND later.id > payment_events.id
            AND (later.kind = 'paid' OR later.kind = 'dispute_won' AND later.subject = payment_events.subject))), false) AS is_due_again,
      min(at) FILTER (WHERE kind = 'paid') AS paid_at,
      max(at) FILTER (WHERE kind IN ('refunded', 'dispute_lost')) AS refunded_at
    FROM payment_events WHERE payment_id = NEW.payment_id
  ) e WHERE p.id = NEW.payment_id;
  RETURN NULL;
END $$
"""  # noqa: E501 # as in api/migrations/tables.py
_OLD = r"""
CREATE OR REPLACE FUNCTION follow_payment_events() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  UPDATE payments p SET status = CASE WHEN e.went_back OR e.lost > 0 AND e.lost >= p.amount_cents THEN 'REFUNDED' ELSE e.status END, paid_at = e.paid_at,
    lost_cents = e.lost, refunded_at = CASE WHEN e.went_back OR e.lost > 0 AND e.lost >= p.amount_cents THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN bool_or(kind = 'paid') THEN 'COMPLETED'
        WHEN bool_or(kind IN ('failed', 'expired')) THEN 'FAILED'
        ELSE 'PENDING' END AS status,
      count(*) FILTER (WHERE kind = 'refunded') > count(*) FILTER (WHERE kind = 'refund_undone') AS went_back,
      coalesce(sum((details->>'amount')::int) FILTER (WHERE kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events won WHERE won.payment_id = payment_events.payment_id
            AND won.kind = 'dispute_won' AND won.subject = payment_events.subject AND won.id > payment_events.id)), 0) AS lost,
      min(at) FILTER (WHERE kind = 'paid') AS paid_at,
      max(at) FILTER (WHERE kind IN ('refunded', 'dispute_lost')) AS refunded_at
    FROM payment_events WHERE payment_id = NEW.payment_id
  ) e WHERE p.id = NEW.payment_id;
  RETURN NULL;
END $$
"""  # noqa: E501 # as it was

# A bill that was waived whole stayed open
_END_WAIVED = """
INSERT INTO payment_events (id, payment_id, kind, subject, at, recorded_at, details)
SELECT gen_random_uuid(), id, 'paid', 'waived', now(), now(), '{"amount": 0}' FROM payments
WHERE due_at IS NOT NULL AND status = 'PENDING' AND amount_cents = 0
"""


def upgrade() -> None:
    paid: sa.Column[list[object]] = sa.Column(
        "paid_times", ARRAY(TSTZRANGE), nullable=False, server_default="{}"
    )
    op.add_column("organisations", paid)
    op.execute(_NEW)
    op.execute(_END_WAIVED)


def downgrade() -> None:
    op.execute(_OLD)
    op.drop_column("organisations", "paid_times")
