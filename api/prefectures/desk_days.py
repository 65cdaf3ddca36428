"""Totals of a day's checks, alerts and answers per desk: the rows of `check_days`."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.models.base import first_id_at
from api.models.check import Check, CheckDay

# Checks wait in the spiders while the database is away, and are recorded after the first run that follows.
_LATEST_RECORD = timedelta(days=1)
_MOST_DAYS = 90  # of one run; older ones are left out
_LONGEST_WAIT = timedelta(days=3)  # between a message's id and its acceptance: quiet hours, a digest, retries
_CLOCKS_DIFFER = timedelta(hours=1)  # between the machine that makes an id and the one that notes the time

# Desks that are scheduled today have a row without any check too: a day without watching must show. Several messages
# may tell of one match: the first that was accepted counts. Ids of messages are in the order of their time.
_SUM = sa.text("""
WITH seen AS MATERIALIZED (
  SELECT desk_id, started_at, outcome, outcome IN ('slots', 'no_slots') AS proves
  FROM checks WHERE started_at >= :begins AND started_at < :ends AND NOT probe
), outcomes AS (
  SELECT desk_id, sum(number) AS checks, sum(number) FILTER (WHERE proves) AS proven,
    jsonb_object_agg(outcome, number) AS outcomes
  FROM (SELECT desk_id, outcome, proves, count(*) AS number FROM seen GROUP BY 1, 2, 3) each
  GROUP BY desk_id
), gaps AS (
  SELECT desk_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS achieved FROM (
    SELECT desk_id, extract(epoch FROM started_at - lag(started_at) OVER (PARTITION BY desk_id ORDER BY started_at))
      AS seconds FROM seen WHERE proves
  ) each WHERE seconds IS NOT NULL GROUP BY desk_id
), opened AS (
  SELECT desk_id, count(*) AS openings FROM detections
  WHERE seen_at >= :begins AND seen_at < :ends AND source = 'check' GROUP BY desk_id
), accepted AS (
  SELECT announcement_id FROM notifications
  WHERE id >= :first AND id < :last AND kind = 'slot_detected' AND accepted_at < :ends
  GROUP BY announcement_id HAVING min(accepted_at) >= :begins
), alerted AS (
  SELECT d.desk_id, count(*) AS alerts FROM accepted a JOIN matches m ON m.announcement_id = a.announcement_id
  JOIN detections d ON d.id = m.detection_id AND d.source = 'check' GROUP BY d.desk_id
), answered AS (
  SELECT d.desk_id, count(*) FILTER (WHERE value = 'found') AS found,
    count(*) FILTER (WHERE value = 'too_late') AS too_late,
    count(*) FILTER (WHERE value = 'nothing_there') AS nothing_there,
    count(*) FILTER (WHERE value = 'stopped') AS stopped
  FROM answers a JOIN matches m ON m.id = a.match_id
  JOIN detections d ON d.id = m.detection_id AND d.source = 'check'
  WHERE a.answered_at >= :begins AND a.answered_at < :ends GROUP BY d.desk_id
), scheduled AS (
  SELECT id, greatest(wished_seconds, feasible_seconds) AS promised FROM desks WHERE due_queue IS NOT NULL AND :today
)
INSERT INTO check_days AS d
  (desk_id, day, checks, proven, outcomes, achieved_seconds, promised_seconds, openings, alerts, found, too_late,
   nothing_there, stopped, updated_at)
SELECT desk_id, :day, coalesce(o.checks, 0), coalesce(o.proven, 0), coalesce(o.outcomes, '{}'), g.achieved, s.promised,
  coalesce(p.openings, 0), coalesce(t.alerts, 0), coalesce(w.found, 0), coalesce(w.too_late, 0),
  coalesce(w.nothing_there, 0), coalesce(w.stopped, 0), :now
FROM (
  SELECT desk_id FROM outcomes UNION SELECT id FROM scheduled UNION SELECT desk_id FROM opened
  UNION SELECT desk_id FROM alerted UNION SELECT desk_id FROM answered
) every
LEFT JOIN alerted t USING (desk_id) LEFT JOIN answered w USING (desk_id)
LEFT JOIN outcomes o USING (desk_id) LEFT JOIN gaps g USING (desk_id) LEFT JOIN opened p USING (desk_id)
LEFT JOIN scheduled s ON s.id = desk_id
ON CONFLICT (desk_id, day) DO UPDATE SET checks = excluded.checks, proven = excluded.proven,
  outcomes = excluded.outcomes, achieved_seconds = excluded.achieved_seconds, openings = excluded.openings,
  alerts = excluded.alerts, found = excluded.found, too_late = excluded.too_late,
  nothing_there = excluded.nothing_there, stopped = excluded.stopped,
  promised_seconds = coalesce(excluded.promised_seconds, d.promised_seconds), updated_at = excluded.updated_at
""")

# What drop_oldest_check_day asks of a day before it drops it.
_IS_UNSUMMED = sa.text("""
SELECT EXISTS (
  SELECT FROM (
    SELECT desk_id, count(*) AS number FROM checks
    WHERE started_at >= :begins AND started_at < :ends AND NOT probe GROUP BY desk_id
  ) c LEFT JOIN check_days d ON d.desk_id = c.desk_id AND d.day = :day
  WHERE coalesce(d.checks, 0) < c.number)
""")


def find_days_to_sum(session: Session, now: datetime) -> list[date]:
    """Return the UTC days, oldest first, that may have changed since they were summed up.

    The newest day with totals is among them: where a run died, the days after it are still to be written.
    """
    today, known = now.date(), CheckDay.updated_at <= now
    last = session.scalar(sa.select(sa.func.max(CheckDay.updated_at)).where(known))
    newest = session.scalar(sa.select(sa.func.max(CheckDay.day)).where(known))
    begins = (last - _LATEST_RECORD) if last else session.scalar(sa.select(sa.func.min(Check.started_at)))
    begun = min(begins.astimezone(UTC).date() if begins else today, newest or today)
    first = max(begun, today - timedelta(days=_MOST_DAYS - 1))
    return [first + timedelta(days=number) for number in range((today - first).days + 1)]


def sum_old_day(session: Session, day: date) -> bool:
    """Write the totals of a day that is about to be dropped, where they lack checks; return whether they did.

    A day whose totals count more than `checks` holds is left as it is: a restored database may lack old checks.
    `updated_at` is soon after the day, so that `find_days_to_sum` goes on where it was.
    """
    begins = datetime.combine(day, time(), UTC)
    ends = begins + timedelta(days=1)
    if not session.scalar(_IS_UNSUMMED, {"begins": begins, "ends": ends, "day": day}):
        return False
    sum_day(session, day, ends + _LATEST_RECORD)
    return True


def sum_day(session: Session, day: date, now: datetime) -> int:
    """Write the totals of one UTC day; return the number of desks. A repetition writes the same again."""
    begins = datetime.combine(day, time(), UTC)
    written = session.execute(
        _SUM,
        {
            "begins": begins,
            "ends": begins + timedelta(days=1),
            "first": first_id_at(begins - _LONGEST_WAIT),
            "last": first_id_at(begins + timedelta(days=1) + _CLOCKS_DIFFER),
            "day": day,
            "today": day == now.date(),
            "now": now,
        },
    )
    return cast("sa.CursorResult[Any]", written).rowcount
