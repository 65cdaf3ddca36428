"""Totals of a day's slot alerts per channel: the rows of `delivery_days`, computed from `notifications`.

An alert that catches up is left out: its slots were seen before it was made, so the time since then says nothing.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.delivery_day import DeliveryDay
from api.models.delivery_figure import DeliveryFigure
from api.paging import first_id_at

_DAY = timedelta(days=1)
_MOST_DAYS = 30  # of one run: what the ledger shows
_CLOCKS_DIFFER = timedelta(hours=1)  # between the machine that makes an id and the one that notes the time

# Ids are UUIDv7: the day's rows lie together in the primary key. A message failed if it ended without being accepted
# while a slot of it was open; one that expired had been tried, in vain, before its slots were gone. A join with the
# slots of a range would read the whole table, whose order is not asked for: hence ORDER BY and LIMIT.
_SUM = sa.text("""
WITH alerts AS MATERIALIZED (
  SELECT id, channel, accepted_at, announcement_id, failed_at, state,
    state = 'expired' AND attempts > 0 AS tried,
    extract(epoch FROM accepted_at - seen_at) AS seconds
  FROM notifications
  WHERE id >= :first AND id < :last AND created_at >= :begins AND created_at < :ends
    AND kind = 'slot_detected' AND seen_at IS NOT NULL AND committed_at IS NOT NULL
), missed AS (
  SELECT a.id FROM alerts a
  WHERE a.accepted_at IS NULL AND a.state = 'failed' AND EXISTS (
    SELECT FROM matches m CROSS JOIN LATERAL unnest(m.slots) AS r(span)
    CROSS JOIN LATERAL (
      SELECT FROM slots s
      WHERE s.id >= lower(r.span) AND s.id < upper(r.span) AND (s.gone_at IS NULL OR s.gone_at > a.failed_at)
      ORDER BY s.id LIMIT 1
    ) open_then
    WHERE m.announcement_id = a.announcement_id
  )
)
INSERT INTO delivery_days AS d (day, channel, accepted, p50_seconds, p95_seconds, failed, updated_at)
SELECT :day, channel, count(accepted_at),
  percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
  percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds),
  count(*) FILTER (WHERE accepted_at IS NULL AND (tried OR id IN (SELECT id FROM missed))), :now
FROM alerts GROUP BY channel
ON CONFLICT (day, channel) DO UPDATE SET accepted = excluded.accepted, p50_seconds = excluded.p50_seconds,
  p95_seconds = excluded.p95_seconds, failed = excluded.failed, updated_at = excluded.updated_at
""")


def find_days_to_sum(
    session: Session, now: datetime, totals: type[DeliveryDay | DeliveryFigure] = DeliveryDay
) -> list[date]:
    """Return the UTC days, oldest first, that may have changed since `totals` were summed up.

    A message may be accepted or fail a day after it was written. The newest day with totals is among them: where a run
    died, the days after it are still to be written.
    """
    today, known = now.date(), totals.updated_at <= now
    last, newest = session.execute(
        sa.select(sa.func.max(totals.updated_at), sa.func.max(totals.day)).where(known)
    ).one()
    first = today - timedelta(days=_MOST_DAYS - 1)
    if last is not None:
        first = max(first, min((last - _DAY).astimezone(UTC).date(), newest))
    return [first + timedelta(days=number) for number in range((today - first).days + 1)]


def sum_day(session: Session, day: date, now: datetime) -> int:
    """Write the totals of one UTC day; return the number of channels. A repetition writes the same again."""
    begins = datetime.combine(day, time(), UTC)
    ends = begins + _DAY
    written = session.execute(
        _SUM,
        {
            "first": first_id_at(begins - _CLOCKS_DIFFER),
            "last": first_id_at(ends + _CLOCKS_DIFFER),
            "begins": begins,
            "ends": ends,
            "day": day,
            "now": now,
        },
    )
    return cast("sa.CursorResult[Any]", written).rowcount
