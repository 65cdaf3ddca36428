"""Marks of messages whose slots are gone: Telegram messages are edited, notices marked.

A slot counts as gone once a conclusive check that began after it was missed did not show it either. One that lapsed
does not count, unless it came back and went: no check proved it. Earlier and later openings of the same moment are one
slot here.
"""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import write_array
from notifier.message_edits import (
    EDITABLE_FOR,
    GONE,
    TOUCHED,
    describe_slots,
    group_by_message,
    select_messages,
    write_edits,
)

_OVERLAP = timedelta(minutes=2)  # in which a message that was on its way may have arrived

# A cursor of the future is of a clock that was ahead: the desk is looked at as if there were none.
_CLOSED = sa.text("""
WITH looked AS (
  SELECT d.id AS desk_id, d.last_proven_at AS until, greatest(c.until - :overlap, :earliest) AS since
  FROM desks d LEFT JOIN gone_cursors c ON c.desk_id = d.id AND c.until <= :now
  WHERE d.last_proven_at > :earliest AND (c.until IS NULL OR c.until < d.last_proven_at)
),
closed AS (
  SELECT DISTINCT s.desk_id, s.place_key, s.moment
  FROM looked l JOIN slots s ON s.desk_id = l.desk_id AND s.gone_at >= l.since AND s.gone_at < l.until
  WHERE s.gone_reason IN ('taken', 'past')
),
moved AS (
  INSERT INTO gone_cursors (desk_id, until)
  SELECT desk_id, until FROM looked WHERE desk_id IN (SELECT desk_id FROM closed)
  ON CONFLICT (desk_id) DO UPDATE SET until = excluded.until
)
SELECT t.desk_id, min(t.opened_at) AS since, CAST(range_agg(int8range(t.id, t.id, '[]')) AS text) AS slots
FROM closed c
JOIN slots t ON t.desk_id = c.desk_id AND t.place_key = c.place_key AND t.moment IN (c.moment, 'open')
WHERE t.gone_at > :earliest
GROUP BY t.desk_id
""")

_MESSAGES = select_messages(f"edits.shown IS DISTINCT FROM '{GONE}'")

_STILL_OPEN = sa.text("""
WITH open AS (
  SELECT s.id FROM slots s WHERE s.desk_id = ANY(CAST(:desk_ids AS text[])) AND s.gone_at IS NULL
  UNION ALL
  SELECT s.id FROM desks d JOIN slots s ON s.desk_id = d.id AND s.gone_at > :earliest
  WHERE d.id = ANY(CAST(:desk_ids AS text[])) AND (
    s.gone_at >= d.last_proven_at
    OR s.gone_reason = 'lapsed' AND NOT EXISTS (
      SELECT FROM slots o WHERE o.desk_id = s.desk_id AND o.place_key = s.place_key AND o.moment = s.moment
      AND o.opened_at >= s.gone_at AND o.gone_reason IN ('taken', 'past') AND o.gone_at < d.last_proven_at)
    OR EXISTS (SELECT FROM slots o WHERE o.desk_id = s.desk_id AND o.place_key = s.place_key AND o.gone_at IS NULL
               AND (o.moment = s.moment OR 'open' IN (o.moment, s.moment))))
)
SELECT coalesce(CAST(range_agg(int8range(id, id, '[]')) AS text), '{}') FROM open
""")

_WITH_OPEN_SLOT = sa.text("""
SELECT DISTINCT n.id
FROM notifications n
JOIN notification_matches l ON l.notification_id = n.id
JOIN match_slots s ON s.match_id = l.match_id AND s.decided_at = n.matched_at
WHERE n.id = ANY(CAST(:ids AS uuid[]))
  AND coalesce(s.slots, int8multirange(int8range(s.slot_id, s.slot_id, '[]'))) && CAST(:open AS int8multirange)
""")

# Of the users all of whose alerts on a detection have no slot left. One statement, because a slot that flickers has
# very many of them: those whose notice was marked before are found again.
_MARK_NOTICES = sa.text(f"""
{TOUCHED},
gone AS (
  SELECT n.id AS detection_id, a.user_id
  FROM named n
  JOIN matches m ON m.detection_id = n.id
  JOIN alerts a ON a.id = m.alert_id
  JOIN match_slots s ON s.match_id = m.id
  CROSS JOIN LATERAL (SELECT coalesce(s.slots, int8multirange(int8range(s.slot_id, s.slot_id, '[]'))) AS slots) told
  GROUP BY n.id, a.user_id
  HAVING bool_or(told.slots && n.slots) AND NOT bool_or(told.slots && CAST(:open AS int8multirange))
)
UPDATE notices x SET gone_at = :now FROM gone g
WHERE x.user_id = g.user_id AND x.detection_id = g.detection_id AND x.gone_at IS NULL
""")  # noqa: S608 -- put together from constants


def mark_gone_slots(session: Session, now: datetime) -> list[UUID]:
    """Mark notices and write the edits of messages, all of whose slots are gone; return the notifications to nudge."""
    earliest = now - EDITABLE_FOR
    closed = session.execute(_CLOSED, {"now": now, "earliest": earliest, "overlap": _OVERLAP}).all()
    if not closed:
        return []
    given = describe_slots(closed, earliest)
    told = session.execute(_MESSAGES, given).all()
    desk_ids = {row.desk_id for row in (*closed, *told) if row.desk_id}
    still = session.scalar(_STILL_OPEN, {"desk_ids": write_array(desk_ids), "earliest": earliest})
    session.execute(_MARK_NOTICES, given | {"open": still, "now": now})
    if not told:
        return []
    ids = write_array(row.id for row in told)
    still_open = set(session.scalars(_WITH_OPEN_SLOT, {"ids": ids, "open": still}))
    gone = (rows for rows in group_by_message(told) if not any(row.id in still_open for row in rows))
    return write_edits(session, GONE, gone, now)
