"""Slots that nobody could confirm for too long: they close, so that who sees them again tells of them as new."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.settings import settings

_INTERVALS = 5  # without a conclusive check

# A desk that a writer holds is being proven at this moment: it is left to the next look, nobody waits for anybody.
# Where nobody entitled waits the wished interval is the heartbeat, five of which nobody's slot outlives.
_LAPSED = sa.text("""
WITH unproven AS (
  SELECT d.id FROM desks d
  WHERE d.id IN (SELECT desk_id FROM slots WHERE gone_at IS NULL AND seen_at <= :now - make_interval(secs => :least))
    AND (d.last_proven_at IS NULL OR d.last_proven_at <= :now - make_interval(secs => CASE
      WHEN d.wished_seconds >= :heartbeat THEN :least
      ELSE greatest(:least, :intervals * greatest(d.wished_seconds, d.feasible_seconds, 0)) END))
  FOR UPDATE SKIP LOCKED
)
UPDATE slots s SET gone_at = greatest(:now, s.seen_at), gone_reason = 'lapsed'
FROM unproven WHERE s.desk_id = unproven.id AND s.gone_at IS NULL RETURNING s.id
""")


def close_unproven(session: Session, now: datetime) -> int:
    """Close the open slots of desks without a conclusive check for LAPSE_SECONDS and five intervals.

    Where nobody entitled waits a desk is seldom asked, and LAPSE_SECONDS alone count. Returns how many closed.
    """
    current = settings()
    closed = session.execute(
        _LAPSED,
        {
            "now": now,
            "least": current.lapse_seconds,
            "heartbeat": current.heartbeat_seconds,
            "intervals": _INTERVALS,
        },
    )
    return len(closed.all())
