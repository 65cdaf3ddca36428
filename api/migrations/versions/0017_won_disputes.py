"""A dispute that is won after it was lost: the money came back to us, so its payment is no longer refunded."""

from collections.abc import Sequence

from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LOST = "bool_or(kind = 'dispute_lost')"
# Ids are in the order in which events were recorded.
_LOST_FOR_GOOD = """bool_or(kind = 'dispute_lost' AND NOT EXISTS (
          SELECT FROM payment_events won WHERE won.payment_id = payment_events.payment_id
            AND won.kind = 'dispute_won' AND won.subject = payment_events.subject AND won.id > payment_events.id))"""
_FOLLOW = """
CREATE OR REPLACE FUNCTION follow_payment_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
  UPDATE payments p SET status = e.status, paid_at = e.paid_at,
    refunded_at = CASE WHEN e.status = 'REFUNDED' THEN e.refunded_at END
  FROM (
    SELECT CASE
        WHEN {lost} OR count(*) FILTER (WHERE kind = 'refunded')
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


def upgrade() -> None:
    op.execute(_FOLLOW.format(lost=_LOST_FOR_GOOD))


def downgrade() -> None:
    op.execute(_FOLLOW.format(lost=_LOST))
