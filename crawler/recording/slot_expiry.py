"""Expiry of open slots that no check confirms any more. A slot that is seen again later is news.

A calendar of many weeks is read in turn, over more visits than a slot lives unseen. The first hours supersede the
`open` slot of their place, then they lapse, and the page has said at each visit that the place is open. The hours may
be there still, so nothing has opened: the superseded slot is open again, and its alerts are not notified twice.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_rows
from configs.world.desk import heartbeat_seconds
from configs.world.prefecture import desks
from crawler.recording.coverage_tracking import EVERYWHERE, INTERVALS, lapse_seconds
from crawler.scheduling.rounds import PROVEN_ROUNDS

# A desk that a writer holds is left to the next look. Desks for which no entitled user waits are asked at the
# heartbeat: their slots lapse after LAPSE_SECONDS, not after five heartbeats.
_UNSEEN = sa.text("""
SELECT d.id, :now - make_interval(secs => CASE WHEN d.wished_seconds >= :heartbeat THEN :least
  ELSE greatest(:least, CASE WHEN d.id = ANY(:in_rounds) THEN :rounds ELSE :intervals END
    * greatest(d.wished_seconds, d.feasible_seconds, 0)) END) AS since
FROM desks d
WHERE d.id IN (SELECT desk_id FROM slots WHERE gone_at IS NULL AND source = 'check'
  AND seen_at <= :now - make_interval(secs => :least))
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
  FROM json_to_recordset(:rows) AS n(desk_id text, since timestamptz, zone text, horizon int)
  JOIN desks d ON d.id = n.desk_id
  JOIN slots s ON s.desk_id = d.id AND s.gone_at IS NULL AND s.source = 'check' AND s.seen_at <= n.since
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
RETURNING s.desk_id, s.place_key, u.since
""")

# The place was called open after its hours were seen last (`_STILL_OPEN` in crawler/recording/slot_writer.py), and its
# slots left no instant without one since its `open` slot opened: `reached` is until when those before were open.
_RESUMED = sa.text("""
UPDATE slots s SET gone_at = NULL, gone_reason = NULL
FROM json_to_recordset(:rows) AS n(desk_id text, place_key text, since timestamptz)
CROSS JOIN LATERAL (
  SELECT o.id, o.gone_at FROM slots o WHERE o.desk_id = n.desk_id AND o.place_key = n.place_key AND o.moment = 'open'
    AND o.source = 'check'
  ORDER BY o.id DESC LIMIT 1
) AS newest
WHERE s.id = newest.id AND s.gone_reason = 'superseded' AND s.seen_at > n.since
  AND NOT EXISTS (SELECT FROM slots o WHERE o.desk_id = n.desk_id AND o.place_key = n.place_key AND o.gone_at IS NULL)
  AND (SELECT bool_and(hours.opened_at <= greatest(hours.reached, newest.gone_at)) FROM (
    SELECT h.opened_at, max(h.gone_at) OVER (
      ORDER BY h.opened_at, h.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM slots h
    WHERE h.desk_id = n.desk_id AND h.place_key = n.place_key AND h.moment <> 'open' AND h.gone_at >= newest.gone_at
  ) AS hours)
""")


def close_unproven(session: Session, now: datetime) -> int:
    """Close open slots that were not seen, nor their place and day covered, for LAPSE_SECONDS and five intervals.

    Two of a desk that is asked in rounds. Where nobody entitled waits a desk is seldom asked, and LAPSE_SECONDS alone
    count. Returns how many closed. Places that were called open since then keep their `open` slot.
    """
    in_rounds = [desk.id for desk in desks().values() if desk.in_rounds]
    given: dict[str, Any] = {"now": now, "least": lapse_seconds(), "heartbeat": heartbeat_seconds()}
    given |= {"intervals": INTERVALS, "rounds": PROVEN_ROUNDS, "in_rounds": in_rounds}
    unseen = session.execute(_UNSEEN, given).all()
    if not unseen:
        return 0
    watched = [  # a desk without a file is not checked: nothing covers it
        {
            "desk_id": row.id,
            "since": row.since,
            "zone": desk.time_zone if (desk := desks().get(row.id)) else "UTC",
            "horizon": desk.horizon if desk else 0,
        }
        for row in unseen
    ]
    closed = session.execute(
        _LAPSED, {"now": now, "everywhere": EVERYWHERE, "rows": write_rows(watched)}
    ).all()
    if closed:
        places = {tuple(row): row._asdict() for row in closed}
        session.execute(_RESUMED, {"rows": write_rows(places.values())})
    return len(closed)
