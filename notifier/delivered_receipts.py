"""Receipts of the usual kind, one after another by the hundred: one message, accepted, has been delivered.

One statement applies them, in a transaction of its own: it holds messages, and never waits for their users. Whatever
else a receipt may mean is left to `applied_receipts`, which reads rows.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from notifier.match_log import log_each

MOST = 1000  # in one transaction; more of them would slow down alerts meanwhile

# A receipt of another attempt names another message of the provider's. Rows that something else holds are skipped: it
# may wait for what we hold. Of two receipts for one message the second stays, and is read like any other.
_APPLY = sa.text("""
WITH due AS (
  SELECT id, provider, message_id, notification_ids[1] AS notification_id, at FROM provider_events
  WHERE next_attempt_at <= :now AND kind = 'delivered' AND cardinality(notification_ids) = 1
  ORDER BY next_attempt_at LIMIT :most FOR UPDATE SKIP LOCKED
),
accepted AS (
  SELECT n.id, due.id AS event_id, greatest(due.at, n.accepted_at) AS at
  FROM due JOIN notifications n ON n.id = due.notification_id
  WHERE n.state = 'sent' AND n.provider = due.provider AND n.provider_id = due.message_id
  ORDER BY n.id FOR NO KEY UPDATE OF n SKIP LOCKED
),
delivered AS (
  UPDATE notifications n SET state = 'delivered', reason = NULL, delivered_at = accepted.at
  FROM accepted WHERE n.id = accepted.id
  RETURNING accepted.event_id, n.id, n.channel, n.provider, n.params ->> 'detection_id' AS detection
)
UPDATE provider_events e SET applied_at = :now, next_attempt_at = NULL
FROM delivered WHERE e.id = delivered.event_id
RETURNING delivered.id, delivered.channel, delivered.provider, delivered.detection
""")


def apply_delivered(opened: Session, now: datetime) -> int:
    """Mark accepted messages as delivered whose receipts wait, at most MOST; return how many were."""
    applied = opened.execute(_APPLY, {"now": now, "most": MOST}).all()
    log_each(opened, "delivered", [(row.id, _describe(row)) for row in applied])
    return len(applied)


def _describe(row: Any) -> dict[str, str]:
    named = {"channel": row.channel, "provider": row.provider}
    return named | ({"detection": row.detection} if row.detection else {})
