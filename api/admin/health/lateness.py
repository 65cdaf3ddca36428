"""Lateness of checks in the last hour: the time between two checks of a desk, compared with the plan."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from api.admin.health.reading import read_session
from configs.ground.clock import clock
from configs.world.check_intervals import INTERVAL_JITTER
from configs.world.prefecture import desks

_HOUR = timedelta(hours=1)
_DESKS, _CHECKS = 200, 120  # the same desks each time; the newest checks of each

# A rest after trouble is not lateness, so only conclusive checks count. The jitter of an interval is not stored: a
# check is late when it is later than the largest jitter allows.
_GAPS = sa.text("""
WITH asked AS (
  SELECT id, wished_seconds AS wished, greatest(wished_seconds, share_seconds) * (1 + :jitter) AS planned
  FROM desks WHERE id = ANY(:desks) AND last_check_at >= :since AND wished_seconds > 0
  ORDER BY hashtext(id) LIMIT :most_desks
), gaps AS (
  SELECT a.id, a.wished, a.planned, c.outcome,
    extract(epoch FROM lead(c.started_at) OVER (PARTITION BY a.id ORDER BY c.started_at) - c.started_at) AS gap
  FROM asked a CROSS JOIN LATERAL (
    SELECT started_at, outcome FROM checks WHERE desk_id = a.id AND started_at >= :since
    ORDER BY started_at DESC LIMIT :most_checks
  ) c
)
SELECT count(*) AS gaps, count(DISTINCT id) AS desks,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY gap / wished))::float AS ratio,
  (percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(0, gap - planned)))::float AS p50_seconds,
  (percentile_cont(0.95) WITHIN GROUP (ORDER BY greatest(0, gap - planned)))::float AS p95_seconds
FROM gaps WHERE gap IS NOT NULL AND outcome IN ('slots', 'no_slots')
""")


def read_lateness() -> dict[str, Any] | None:
    """Return the median of achieved ÷ wished, and lateness in seconds, over `gaps` between two checks of `desks`.

    None if no desk of the sample was checked twice in the last hour.
    """
    watched = [desk.id for desk in desks().values() if desk.schedulable]
    given = {"desks": watched, "since": clock() - _HOUR, "jitter": INTERVAL_JITTER()}
    with read_session() as s:
        row = s.execute(_GAPS, given | {"most_desks": _DESKS, "most_checks": _CHECKS}).one()
    return row._asdict() if row.gaps else None
