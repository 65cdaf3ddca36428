"""Expiry of open slots that no check confirms any more. A slot that is seen again later is news."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from configs.prefecture import desks
from configs.settings import settings
from crawler.recording.coverage_tracking import EVERYWHERE

INTERVALS = 5  # without a sighting of the slot, or an answer for its place and day

# A desk that a writer holds is left to the next look. Desks for which no entitled user waits are asked at the
# heartbeat: their slots lapse after LAPSE_SECONDS, not after five heartbeats.
_UNSEEN = sa.text("""
SELECT d.id, :now - make_interval(secs => CASE WHEN d.wished_seconds >= :heartbeat THEN :least
  ELSE greatest(:least, :intervals * greatest(d.wished_seconds, d.feasible_seconds, 0)) END) AS since
FROM desks d
WHERE d.id IN (SELECT desk_id FROM slots WHERE gone_at IS NULL AND seen_at <= :now - make_interval(secs => :least))
FOR UPDATE SKIP LOCKED
""")

# `coverage` has the days of places that were covered one by one; where it is null, one answer covered all places from
# its day to the last that is watched. A slot that is only known to be open needs an answer for every day watched.
_LAPSED = sa.text("""
WITH unseen AS (
  SELECT s.id, s.place_key, d.coverage, d.whole_at, n.since,
    CAST(d.whole_at AT TIME ZONE n.zone AS date) AS whole_from, n.horizon,
    coalesce(t.day, CAST(:now AT TIME ZONE n.zone AS date)) AS first,
    coalesce(t.day, CAST(:now AT TIME ZONE n.zone AS date) + n.horizon) AS last
  FROM unnest(CAST(:desks AS text[]), CAST(:sinces AS timestamptz[]), CAST(:zones AS text[]),
              CAST(:horizons AS int[])) AS n(desk_id, since, zone, horizon)
  JOIN desks d ON d.id = n.desk_id
  JOIN slots s ON s.desk_id = d.id AND s.gone_at IS NULL AND s.seen_at <= n.since
  CROSS JOIN LATERAL (SELECT CASE WHEN s.moment <> 'open' THEN
    coalesce(CAST(s.starts_at AT TIME ZONE n.zone AS date), CAST(left(s.moment, 10) AS date)) END) AS t(day)
)
UPDATE slots s SET gone_at = greatest(:now, s.seen_at), gone_reason = 'lapsed'
FROM unseen u WHERE s.id = u.id AND NOT CASE
  WHEN u.coverage IS NULL THEN coalesce(
    u.whole_at > u.since AND u.whole_from <= u.first AND u.whole_from + u.horizon >= u.last, false)
  ELSE EXISTS (SELECT FROM jsonb_array_elements(
                 coalesce(u.coverage -> u.place_key, '[]') || coalesce(u.coverage -> :everywhere, '[]')) AS w (days)
               WHERE CAST(w.days ->> 2 AS timestamptz) > u.since
                 AND CAST(w.days ->> 0 AS date) <= u.first AND CAST(w.days ->> 1 AS date) >= u.last) END
RETURNING s.id
""")


def lapse_span(*intervals: float | None) -> timedelta:
    """Return how long a slot outlives its last sighting, at a desk with these intervals (seconds)."""
    longest = INTERVALS * max(filter(None, intervals), default=0)
    return timedelta(seconds=max(settings().lapse_seconds, longest))


def close_unproven(session: Session, now: datetime) -> int:
    """Close open slots that were not seen, nor their place and day covered, for LAPSE_SECONDS and five intervals.

    Where nobody entitled waits a desk is seldom asked, and LAPSE_SECONDS alone count. Returns how many closed.
    """
    current = settings()
    unseen = session.execute(
        _UNSEEN,
        {
            "now": now,
            "least": current.lapse_seconds,
            "heartbeat": current.heartbeat_seconds,
            "intervals": INTERVALS,
        },
    ).all()
    if not unseen:
        return 0
    files = [desks().get(row.id) for row in unseen]  # a desk without a file is not checked: nothing covers it
    closed = session.execute(
        _LAPSED,
        {
            "now": now,
            "everywhere": EVERYWHERE,
            "desks": [row.id for row in unseen],
            "sinces": [row.since for row in unseen],
            "zones": [desk.time_zone if desk else "UTC" for desk in files],
            "horizons": [desk.horizon if desk else 0 for desk in files],
        },
    )
    return len(closed.all())
