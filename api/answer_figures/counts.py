"""Counts of alerts and answers, added to the rows of `answer_figures`.

Alerts and answers go when their account is deleted; what was counted stays. An answer is counted as the value that it
has once it is so old that the public may know of it, and counted anew where it changes after that.
"""

from datetime import datetime, time, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.answer_figures.platforms import list_platforms
from api.models.answer import MatchAnswer
from api.models.answer_figure import NO_PLATFORM, FigureCursor
from api.paging import first_id_at

_ALERTS = "alerts"  # the cursor's name
_LONGEST_WAIT = timedelta(days=3)  # between a message's id and its acceptance: quiet hours, a digest, retries
_CLOCKS_DIFFER = timedelta(hours=1)
_VALUES = ("found", "too_late", "nothing_there", "stopped")

# `changes` has a desk, an instant, and what is to be added to each count.
_ADD = f"""
INSERT INTO answer_figures AS f (month, platform, desk_id, alerts, {", ".join(_VALUES)}, updated_at)
SELECT CAST(date_trunc('month', c.at AT TIME ZONE 'UTC') AS date), coalesce(p.platform, :no_platform), c.desk_id,
  sum(c.alerts), {", ".join(f"sum(c.{name})" for name in _VALUES)}, :now
FROM changes c
LEFT JOIN unnest(CAST(:desks AS text[]), CAST(:platforms AS text[])) AS p(desk_id, platform)
  ON p.desk_id = c.desk_id
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (month, platform, desk_id) DO UPDATE SET alerts = f.alerts + excluded.alerts,
  {", ".join(f"{name} = f.{name} + excluded.{name}" for name in _VALUES)}, updated_at = excluded.updated_at
"""  # noqa: S608 -- our own words
_CHANGED = ", ".join(
    f"CAST(d.value = '{name}' AS int) - CAST(coalesce(d.counted, '') = '{name}' AS int) AS {name}"
    for name in _VALUES
)


def _count_answers(condition: str) -> sa.TextClause:
    return sa.text(f"""
WITH due AS (
  SELECT match_id, value, counted, answered_at FROM answers
  WHERE counted IS DISTINCT FROM value AND {condition}
  ORDER BY match_id FOR UPDATE
), marked AS (
  UPDATE answers a SET counted = d.value FROM due d WHERE a.match_id = d.match_id
), changes AS (
  SELECT s.desk_id, d.answered_at AS at, 0 AS alerts, {_CHANGED}
  FROM due d JOIN matches m ON m.id = d.match_id JOIN detections s ON s.id = m.detection_id
)
{_ADD}""")  # noqa: S608 -- our own words


_COUNT_OLD_ENOUGH = _count_answers("answered_at <= :until")
_COUNT_OF_USER = _count_answers(
    "match_id IN (SELECT m.id FROM matches m JOIN alerts a ON a.id = m.alert_id WHERE a.user_id = :user_id)"
)
# Several messages may tell of one match: the first that was accepted counts.
_COUNT_ALERTS = sa.text(f"""
WITH accepted AS (
  SELECT n.announcement_id, min(n.accepted_at) AS at
  FROM notifications n
  WHERE n.id >= :first AND n.id < :last AND n.kind = 'slot_detected'
    AND n.accepted_at > :since AND n.accepted_at <= :until
  GROUP BY n.announcement_id
), changes AS (
  SELECT s.desk_id, a.at, 1 AS alerts, {", ".join(f"0 AS {name}" for name in _VALUES)}
  FROM accepted a JOIN matches m ON m.announcement_id = a.announcement_id
  JOIN detections s ON s.id = m.detection_id
  WHERE NOT EXISTS (
    SELECT FROM notifications e
    WHERE e.announcement_id = a.announcement_id AND e.kind = 'slot_detected' AND e.accepted_at <= :since
  )
)
{_ADD}""")  # noqa: S608 -- our own words


def count_answers(session: Session, until: datetime, now: datetime) -> int:
    """Count the answers given until then; return how many rows of figures changed. A repetition changes none."""
    return _add(session, _COUNT_OLD_ENOUGH, now, until=until)


def keep_answers(session: Session, user_id: UUID, now: datetime) -> None:
    """Count all answers of a user now, before they are deleted."""
    _add(session, _COUNT_OF_USER, now, user_id=user_id)


def count_alerts(session: Session, until: datetime, now: datetime) -> int:
    """Count the alerts that were accepted until then, since the last time; return how many rows of figures changed.

    It begins on the day of the first answer: before, nobody could answer.
    """
    first = session.scalar(sa.select(sa.func.min(MatchAnswer.answered_at)))
    cursor = _lock_cursor(session, first)
    if cursor is None or until <= cursor.until:
        if cursor and cursor.until > until + _CLOCKS_DIFFER:
            cursor.until = until  # a clock was ahead: what comes until then would never be counted
        return 0
    since, cursor.until = cursor.until, until
    bounds = {"first": first_id_at(since - _LONGEST_WAIT), "last": first_id_at(until + _CLOCKS_DIFFER)}
    return _add(session, _COUNT_ALERTS, now, since=since, until=until, **bounds)


def _lock_cursor(session: Session, first: datetime | None) -> FigureCursor | None:
    """Return the cursor, locked; None before the first answer."""
    query = sa.select(FigureCursor).where(FigureCursor.name == _ALERTS).with_for_update()
    known = session.scalars(query).one_or_none()
    if known is not None or first is None:
        return known
    begins = datetime.combine(first.date(), time(), first.tzinfo)
    made = insert(FigureCursor).values(name=_ALERTS, until=begins)
    session.execute(made.on_conflict_do_nothing())
    return session.scalars(query).one()


def _add(session: Session, statement: sa.TextClause, now: datetime, **given: Any) -> int:
    common = {"now": now, "no_platform": NO_PLATFORM, **list_platforms()}
    return cast("sa.CursorResult[Any]", session.execute(statement, common | given)).rowcount
