"""Expiry of open slots that no check confirms any more. A slot that is seen again later is news."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.settings import settings
from crawler.recording.proven import EVERYWHERE

INTERVALS = 5  # without a sight of the slot, or an answer for its place

# A desk that a writer holds is left to the next look. Desks for which no entitled user waits are asked at the
# heartbeat: their slots lapse after LAPSE_SECONDS, not after five heartbeats.
# `coverage` has the places that were covered one by one; where it is null, one check covered all of them.
_LAPSED = sa.text("""
WITH unseen AS (
  SELECT d.id, d.coverage, d.whole_at, :now - make_interval(secs => CASE WHEN d.wished_seconds >= :heartbeat THEN :least
    ELSE greatest(:least, :intervals * greatest(d.wished_seconds, d.feasible_seconds, 0)) END) AS since
  FROM desks d
  WHERE d.id IN (SELECT desk_id FROM slots WHERE gone_at IS NULL AND seen_at <= :now - make_interval(secs => :least))
  FOR UPDATE SKIP LOCKED
)
UPDATE slots s SET gone_at = greatest(:now, s.seen_at), gone_reason = 'lapsed'
FROM unseen d WHERE s.desk_id = d.id AND s.gone_at IS NULL AND s.seen_at <= d.since AND NOT CASE
  WHEN d.coverage IS NULL THEN coalesce(d.whole_at > d.since, false)
  ELSE EXISTS (SELECT FROM jsonb_array_elements(
                 coalesce(d.coverage -> s.place_key, '[]') || coalesce(d.coverage -> :everywhere, '[]')) AS w (days)
               WHERE CAST(w.days ->> 2 AS timestamptz) > d.since) END
RETURNING s.id
""")


def lapse_span(*intervals: float | None) -> timedelta:
    """Return how long a slot outlives its last sight, at a desk with these intervals (seconds)."""
    longest = INTERVALS * max(filter(None, intervals), default=0)
    return timedelta(seconds=max(settings().lapse_seconds, longest))


def close_unproven(session: Session, now: datetime) -> int:
    """Close open slots that were not seen, nor their place covered, for LAPSE_SECONDS and five intervals.

    Where nobody entitled waits a desk is seldom asked, and LAPSE_SECONDS alone count. Returns how many closed.
    """
    current = settings()
    closed = session.execute(
        _LAPSED,
        {
            "now": now,
            "least": current.lapse_seconds,
            "heartbeat": current.heartbeat_seconds,
            "intervals": INTERVALS,
            "everywhere": EVERYWHERE,
        },
    )
    return len(closed.all())
